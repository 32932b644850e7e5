"""Tables of texts, for Markdown and for LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_ESCAPES = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "±": r"$\pm$"}


@dataclass(frozen=True, slots=True)
class TextTable:
    r"""A table with a title and a few words.

    Attributes
    ----------
    title, text : str
    header : sequence of str
    rows : sequence of sequence of str

    Examples
    --------
    >>> table = TextTable("Gain", "", ["class", "gain"], [["happy", "40 %"]])
    >>> print(table.markdown())
    ## Gain
    <BLANKLINE>
    | class | gain |
    | --- | --- |
    | happy | 40 % |
    >>> print(table.latex())
    % Gain
    \begin{tabular}{ll}
    \toprule
    class & gain \\
    \midrule
    happy & 40 \% \\
    \bottomrule
    \end{tabular}
    """

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return a section of a Markdown file."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        grid = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts = [f"## {self.title}", self.text, grid]
        return "\n\n".join(part for part in parts if part)

    def latex(self) -> str:
        """Return a tabular in the form of the package booktabs."""
        head, *body = (
            " & ".join(_escaped(cell) for cell in row) + r" \\"
            for row in (self.header, *self.rows)
        )
        return "\n".join(
            [
                f"% {self.title}",
                rf"\begin{{tabular}}{{{'l' * len(self.header)}}}",
                r"\toprule",
                head,
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
            ]
        )


def share(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Write a share, with its interval if there is one.

    Examples
    --------
    >>> share(0.45, 0.2923, 0.6), share(0.45), share(float("nan"))
    ('0.450 (0.29 to 0.60)', '0.450', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" + ("" if math.isnan(low) else f" ({low:.2f} to {high:.2f})")


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)
