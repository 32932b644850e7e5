"""Rules and certificate as HTML, for notebooks."""

from __future__ import annotations

from html import escape

from rarecorrect import clock
from rarecorrect.fit_report import FitReport
from rarecorrect.off_switch import SWITCHED_OFF, is_disabled
from rarecorrect.promise import percent, promises
from rarecorrect.rule_evidence import rule_gain

_MOST_RULES = 20
_STYLE = (
    "<style>.rarecorrect-book{font-size:.9em;margin:.6em 0;max-width:60em}"
    ".rarecorrect-book p{margin:.3em 0}"
    ".rarecorrect-book table{border-collapse:collapse}"
    ".rarecorrect-book th,.rarecorrect-book td{text-align:left;padding:.2em .7em}"
    "</style>"
)


def book_html(report: FitReport) -> str:
    """What is promised, and the rules behind it.

    Parameters
    ----------
    report : FitReport
        Of a fitted corrector.

    Returns
    -------
    str
        HTML in which every text is escaped; it runs nothing and loads nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> X, y = np.arange(1000.0)[:, None], np.arange(1000) > 980
    >>> model = DummyClassifier().fit([[0.0]], [False])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X, y)
    >>> "<td>to True</td><td>active</td>" in book_html(corrector.report_)
    True
    """
    said = [SWITCHED_OFF] if is_disabled() else promises(report)
    if not said:
        why = report.shortcoming()
        said = [f"Not certified, the legacy answer is kept: {why}."]
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in said)
    return f'{_STYLE}<div class="rarecorrect-book">{lines}{_rules(report)}</div>'


def _rules(report: FitReport) -> str:
    rules = report.book.rules
    if not rules:
        return ""
    head = ("rule", "state", "errors learnt from", "left-out errors caught")
    rows = [
        (
            rule.name,
            rule.state_on(clock.today()),
            f"{rule.n_errors:,}",
            percent((rule_gain(rule, report.book) or (float("nan"),))[0]),
        )
        for rule in rules[:_MOST_RULES]
    ]
    if len(rules) > _MOST_RULES:
        rows.append((f"and {len(rules) - _MOST_RULES:,} more", "", "", ""))
    heads = "".join(f'<th scope="col">{text}</th>' for text in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
