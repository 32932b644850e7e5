"""Every public name stands on exactly one page of the API reference.

A module is public if no part of its name begins with an underscore and the contract
"adapters use the public API only" in pyproject.toml does not protect it; a name, if the
module's ``__all__`` holds it or, without one, if the module makes it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rarecorrect

ROOT = Path(__file__).parents[1]
LISTED = re.compile(r"^   ~(rarecorrect[\w.]+)$", re.MULTILINE)


def protected() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (
        c
        for c in settings["tool"]["importlinter"]["contracts"]
        if c["name"] == "adapters use the public API only"
    )
    return list(contract["protected_modules"])


def public_modules() -> Iterator[ModuleType]:
    yield rarecorrect
    for found in pkgutil.walk_packages(rarecorrect.__path__, "rarecorrect."):
        name = found.name
        if "._" not in name and not any(fnmatch(name, p) for p in protected()):
            yield importlib.import_module(name)


def public_names(module: ModuleType) -> list[str]:
    own = [
        name
        for name, member in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or inspect.isclass(member))
        and member.__module__ == module.__name__
    ]
    return list(getattr(module, "__all__", own))


def listed() -> list[str]:
    pages = (ROOT / "docs" / "api").glob("*.rst")
    return [name for page in pages for name in LISTED.findall(page.read_text())]


def thing(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_public_name_is_on_a_page():
    shown = {id(thing(name)) for name in listed() if name.startswith("rarecorrect.")}
    missing = [
        f"{module.__name__}.{name}"
        for module in public_modules()
        for name in public_names(module)
        # a type alias has no page; the pages of budgets name it
        if name != "Budget" and id(getattr(module, name)) not in shown
    ]
    assert missing == []


def test_nothing_is_listed_twice():
    core = [name for name in listed() if name.startswith("rarecorrect.")]
    assert [
        n for n, count in Counter(id(thing(c)) for c in core).items() if count > 1
    ] == []


@pytest.mark.parametrize("name", [n for n in listed() if ".nets." not in n])
def test_what_is_listed_is_there_and_described(name):
    found = thing(name)
    assert not callable(found) or found.__doc__
