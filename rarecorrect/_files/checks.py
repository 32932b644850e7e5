"""What parts of a file must be: of which type, and which numbers."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect._files.archive import FileFormatError

Array = npt.NDArray[Any]


def require(holds: Any, message: str) -> None:
    """Refuse a file where something does not hold."""
    if not holds:
        raise FileFormatError(message)


def check_names(
    parts: Any, needed: Collection[str], possible: Collection[str] = ()
) -> None:
    """Refuse parts that are missing or not known."""
    missing = set(needed) - set(parts)
    unknown = set(parts) - set(needed) - set(possible)
    require(not missing, f"it lacks {sorted(missing)}")
    require(not unknown, f"it holds {sorted(unknown)}, which has no place in it")


def check_types(parts: dict[str, Any], hints: dict[str, Any]) -> None:
    """Refuse parts that are not of the type that their annotation says."""
    for name, value in parts.items():
        require(
            is_a(value, hints[name]),
            f"{name} is of type {type(value).__name__}, not {_said(hints[name])}",
        )


def check_array(
    array: Any, shape: tuple[int | None, ...], name: str, *, finite: bool = True
) -> None:
    """Refuse what is no float64 array of a shape; None: any number of them."""
    require(
        isinstance(array, np.ndarray)
        and array.dtype == np.float64
        and array.ndim == len(shape)
        and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True)),
        f"{name} is no float64 array of shape {shape}",
    )
    if finite:
        require(np.isfinite(array).all(), f"{name} is not finite")
    else:
        require(not np.isnan(array).any(), f"{name} holds NaN")


def is_a(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says, all the way down."""
    if hint is Any or hint is collections.abc.Hashable:
        return hint is Any or isinstance(value, collections.abc.Hashable)
    if hint is None or hint is type(None):
        return value is None
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(is_a(value, one) for one in inner)
    if origin is np.ndarray:
        wanted = typing.get_args(inner[1])[0]
        return type(value) is np.ndarray and (wanted is Any or value.dtype == wanted)
    if origin is list:
        return type(value) is list and all(is_a(item, inner[0]) for item in value)
    if origin is tuple:
        return type(value) is tuple and all(is_a(item, inner[0]) for item in value)
    if origin is frozenset:
        return type(value) is frozenset and all(is_a(v, inner[0]) for v in value)
    if origin is collections.abc.Mapping:
        return isinstance(value, dict) and all(
            is_a(k, inner[0]) and is_a(v, inner[1]) for k, v in value.items()
        )
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint in (int, float):
        numbers = Integral if hint is int else Real
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, hint)


def _said(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)
