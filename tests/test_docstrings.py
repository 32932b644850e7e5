"""Every public name of the core has a complete docstring, and what it says is true.

A function, class or method is public if neither its name nor that of its module begins
with an underscore. `faults_of` says what its docstring lacks or has wrong.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import rarecorrect

_HEADER = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^([\w*][\w*, ]*?)(?: : (.*))?$", re.MULTILINE)
_DEFAULT = re.compile(r"\bdefault=(.+)$")


class Entry(NamedTuple):
    """One line of a Parameters section: ``name : kind``."""

    name: str
    kind: str


def sections_of(doc: str) -> dict[str, str]:
    """The text under every header of a numpydoc docstring."""
    _, *parts = _HEADER.split(doc)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def entries_of(text: str) -> list[Entry]:
    return [
        Entry(name.strip().lstrip("*"), kind or "")
        for names, kind in _ENTRY.findall(text)
        for name in names.split(",")
    ]


def function_behind(member: Any) -> Any:
    """The function of a method, property or decorated method; None for all else."""
    # where property, cached_property, classmethod and available_if keep it
    for attribute in ("fget", "func", "__func__", "fn"):
        member = getattr(member, attribute, member)
    return member if inspect.isfunction(member) else None


def public_members(owner: Any) -> dict[str, Any]:
    """Public functions and classes of a module or class, but none that it imports."""
    home = owner.__name__ if inspect.ismodule(owner) else owner.__module__
    found = {}
    for name, member in vars(owner).items():
        described = function_behind(member) or member
        is_public = inspect.isfunction(described) or inspect.isclass(described)
        if is_public and not name.startswith("_") and described.__module__ == home:
            found[name] = member
    return found


def public_modules() -> Iterator[ModuleType]:
    yield rarecorrect
    for found in pkgutil.walk_packages(rarecorrect.__path__, "rarecorrect."):
        if "._" not in found.name:
            yield importlib.import_module(found.name)


def public_names() -> dict[str, tuple[Any, bool]]:
    """Every public name: what it stands for, and whether it must have an example."""
    found: dict[str, tuple[Any, bool]] = {}
    for module in public_modules():
        for name, member in public_members(module).items():
            path = f"{module.__name__}.{name}"
            found[path] = (member, True)
            if inspect.isclass(member):
                methods = public_members(member).items()
                found |= {
                    f"{path}.{inner}": (method, False) for inner, method in methods
                }
    return found


def faults_of(member: Any, *, wants_example: bool = False) -> list[str]:
    """What the docstring of a function, method, property or class lacks or has wrong.

    `wants_example`: a doctest must stand in it or, for a class, in one of its methods.
    """
    docs = list(_docs_of(member))
    if not docs[0]:
        return ["lacks a docstring"]
    sections = sections_of(docs[0])
    lacks_example = wants_example and not any(map(_runs_a_doctest, docs))
    return [
        *_faults_of_parameters(member, sections),
        *_faults_of_returns(member, sections),
        *_faults_of_raises(member, sections),
        *(["lacks a doctest"] if lacks_example else []),
    ]


def _docs_of(member: Any) -> Iterator[str]:
    """The docstring and, for a class, those of its public methods."""
    yield inspect.cleandoc((function_behind(member) or member).__doc__ or "")
    if inspect.isclass(member):
        for method in public_members(member).values():
            yield from _docs_of(method)


def _runs_a_doctest(doc: str) -> bool:
    return any(">>>" in line and "+SKIP" not in line for line in doc.splitlines())


def _parameters_of(member: Any) -> dict[str, inspect.Parameter]:
    """Parameters that a caller passes; none for a class that leaves them to another."""
    if inspect.isclass(member) and not {"__init__", "__new__"} & vars(member).keys():
        return {}
    parameters = inspect.signature(function_behind(member) or member).parameters
    return {k: v for k, v in parameters.items() if k not in ("self", "cls")}


def _faults_of_parameters(member: Any, sections: dict[str, str]) -> Iterator[str]:
    parameters = _parameters_of(member)
    entries = entries_of(sections.get("Parameters", ""))
    # a dataclass describes its parameters as what they become
    attributes = entries_of(sections.get("Attributes", ""))
    said = {entry.name for entry in entries}
    also = {entry.name for entry in attributes}
    yield from (f"lacks parameter {k}" for k in parameters if k not in said | also)
    for name, kind in entries:
        if name not in parameters:
            yield f"has no parameter {name}"
        elif kind and not _says_default(kind, parameters[name], member):
            yield f"has the default {name}={parameters[name].default!r}"


def _says_default(kind: str, parameter: inspect.Parameter, member: Any) -> bool:
    found = _DEFAULT.search(kind)
    if found is None:
        may_be_silent = "optional" in kind or "required" in kind
        return may_be_silent or parameter.default is parameter.empty
    home = sys.modules[(function_behind(member) or member).__module__]
    return bool(eval(found[1], vars(home)) == parameter.default)


def _faults_of_returns(member: Any, sections: dict[str, str]) -> Iterator[str]:
    function = function_behind(member)
    if function is None or not _parameters_of(member):
        return
    returned = inspect.signature(function).return_annotation
    word = "Yields" if inspect.isgeneratorfunction(function) else "Returns"
    if returned not in ("None", "NoReturn", "Self") and word not in sections:
        yield f"lacks {word}"


def _faults_of_raises(member: Any, sections: dict[str, str]) -> Iterator[str]:
    own = vars(member) if inspect.isclass(member) else {"": function_behind(member)}
    bodies = [own[name] for name in ("", "__init__", "__post_init__") if name in own]
    raised = {error for body in bodies for error in _raised_in(body)}
    said = {entry.name for entry in entries_of(sections.get("Raises", ""))}
    yield from (f"lacks Raises {error}" for error in sorted(raised - said))


def _raised_in(function: Any) -> Iterator[str]:
    """Names of the errors that a function raises itself, not in what it calls."""
    if function.__code__.co_filename == "<string>":  # made by dataclass
        return
    # dedent would stumble over docstrings with lines that begin at the margin
    source = textwrap.indent(inspect.getsource(function), " ")
    for node in ast.walk(ast.parse(f"if True:\n{source}")):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)


NAMES = public_names()


@pytest.mark.parametrize("name", NAMES)
def test_docstring_is_complete_and_true(name):
    member, wants_example = NAMES[name]
    assert faults_of(member, wants_example=wants_example) == []


def test_names_of_every_kind_are_found():
    assert "rarecorrect.certify.thresholds.certified_threshold" in NAMES  # function
    assert "rarecorrect.corrector.ErrorCorrector.predict_proba" in NAMES  # available_if
    assert "rarecorrect.in_force.InForce.digests" in NAMES  # cached property
    assert "rarecorrect.tail_scale.TailScale.from_scores" in NAMES  # class method
    assert "rarecorrect.exceptions.NotCertifiedWarning" in NAMES
    assert not [name for name in NAMES if "._" in name]


def share(count: int, whole: int = 100) -> float:
    """Share of a whole.

    Parameters
    ----------
    count : int
    whole : int, default=100

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no whole.

    Examples
    --------
    >>> share(1)
    0.01
    """
    if whole == 0:
        raise ValueError("whole must not be 0")
    return count / whole


class Share(NamedTuple):
    """Share of a whole.

    Attributes
    ----------
    count : int
    whole : int
    """

    count: int
    whole: int = 100


def test_a_complete_docstring_has_no_fault():
    assert faults_of(share, wants_example=True) == []
    assert faults_of(Share) == []


@pytest.mark.parametrize(
    ("member", "old", "new", "fault"),
    [
        (share, "count : int\n", "", "lacks parameter count"),
        (share, "\nwhole :", "\nwhole, part :", "has no parameter part"),
        (share, "default=100", "default=1", "has the default whole=100"),
        (share, ", default=100", "", "has the default whole=100"),
        (share, "Returns\n-------\nfloat\n", "", "lacks Returns"),
        (share, "ValueError", "TypeError", "lacks Raises ValueError"),
        (share, ">>> share(1)", "", "lacks a doctest"),
        (share, "share(1)", "share(1)  # doctest: +SKIP", "lacks a doctest"),
        (Share, "count : int\n", "", "lacks parameter count"),
    ],
)
def test_a_fault_is_found(monkeypatch, member, old, new, fault):
    doc = inspect.cleandoc(member.__doc__)
    assert old in doc
    monkeypatch.setattr(member, "__doc__", doc.replace(old, new))
    assert faults_of(member, wants_example=member is share) == [fault]


def test_a_missing_docstring_is_found(monkeypatch):
    monkeypatch.setattr(share, "__doc__", None)
    assert faults_of(share) == ["lacks a docstring"]
