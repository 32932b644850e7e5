"""Formulas as MathML: a page needs neither a script nor a network to show them."""

from __future__ import annotations

from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

# what docutils does not know, and what it knows it as
_ALSO = {r"\dots": r"\ldots"}


def _mathml(node: Any, **kind: bool) -> str:
    text = node.astext()
    for unknown, known in _ALSO.items():
        text = text.replace(unknown, known)
    found: str = tex2mathml(text, **kind)
    return found


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(_mathml(node))
    raise SkipNode


def _block(writer: Any, node: Any) -> None:
    formula = _mathml(node, as_block=True)
    writer.body.append(f'<div class="math">{formula}</div>\n')
    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
