"""A name that only one documented thing ends with is a reference to it.

Docstrings say ``:func:`certified_threshold``` wherever they stand; the reference shows
everything once, under the name to import it by.
"""

from __future__ import annotations

from typing import Any

from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode


def _tails(target: str) -> list[str]:
    """The name as it stands, then without the module where the thing is made."""
    parts = target.split(".")
    return [".".join(parts[-n:]) for n in range(len(parts), 0, -1)]


def _resolve(app: Sphinx, env: Any, node: Element, contents: Element) -> Any:
    if node.get("refdomain") != "py":
        return None
    objects = env.get_domain("py").objects
    for tail in _tails(node["reftarget"]):
        found = [
            name
            for name, entry in objects.items()
            if not entry.aliased and f".{name}".endswith(f".{tail}")
        ]
        if len(found) == 1:
            home = objects[found[0]]
            return make_refnode(
                app.builder,
                node["refdoc"],
                home.docname,
                home.node_id,
                contents,
                found[0],
            )
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the lookup."""
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
