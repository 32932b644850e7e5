"""Values from JSON and arrays; whatever could not have been written is refused."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect._files.archive import FileFormatError, check_plain_zip
from rarecorrect._files.values import (
    MOST_ROOM,
    SCALAR,
    Form,
    Packed,
    full_name,
    shortly,
)
from rarecorrect.inputs import _Name

Array = npt.NDArray[Any]


def untrusted_types(packed: Collection[bytes | bytearray]) -> set[str]:
    """Types in skops members that skops does not know to be harmless."""
    if not packed:
        return set()
    from skops.io import get_untrusted_types

    return {t for data in packed for t in get_untrusted_types(data=bytes(data))}


# Classes of this package that hold numbers and one another, and whose methods do no
# more than arithmetic with them; what a Tree of scikit-learn holds is not among them.
OURS = [
    *(
        f"rarecorrect.detectors.{module}.{name}"
        for module, name in (
            ("auto", "AutoDetector"),
            ("auto", "Candidate"),
            ("boosting", "BoostingDetector"),
            ("cascade", "CascadeDetector"),
            ("cleaned", "CleanedDetector"),
            ("fisher", "FisherDetector"),
            ("interval", "IntervalDetector"),
            ("interval", "_Side"),
            ("logistic", "LogisticDetector"),
            ("trees", "TreesDetector"),
        )
    ),
    "rarecorrect.cross_fitting.CrossFitted",
    "rarecorrect.moments.Moments",
    "rarecorrect.robust.RobustColumns",
    "rarecorrect.tail_scale.TailScale",
    "rarecorrect.whitening.Whitening",
    "rarecorrect_tabular.column_encoder.ColumnEncoder",
]


class Reader:
    """Turns JSON back into values; refuses what would not be written so.

    Parameters
    ----------
    forms : list of Form
    arrays : mapping of str to ndarray
    members : mapping of str to bytes
        Those of skops.
    trusted : collection of str or type, or None
        Types in these members that the caller trusts.  None: the members stay closed,
        and :class:`Packed` stands for what they hold.
    n_features : int, optional
        That detectors must read; not checked without.
    """

    def __init__(
        self,
        forms: Collection[Form],
        arrays: Mapping[str, Array],
        members: Mapping[str, bytes | bytearray],
        trusted: Collection[Any] | None,
        n_features: int | None = None,
    ) -> None:
        self._forms = {form.kind: form for form in forms}
        self._arrays, self._members, self._trusted = arrays, members, trusted
        self.n_features = n_features
        self._opened: dict[str, Any] = {}
        self._used: set[str] = set()

    def read(self, stored: Any, path: str) -> Any:
        """The value that was written; `path` says where it is, for messages."""
        if stored is None or type(stored) in (bool, int, float, str):
            return stored
        if type(stored) is list:
            return [self.read(item, f"{path}.{i}") for i, item in enumerate(stored)]
        parts = dict(stored)
        kind = parts.pop("is", None)
        form = self._forms.get(kind) if isinstance(kind, str) else None
        try:
            if form is not None:
                return form.make(self.parts(parts, path), self)
            if not isinstance(kind, str) or not hasattr(self, f"_read_{kind}"):
                raise FileFormatError(f"there is no kind {kind!r}")
            return getattr(self, f"_read_{kind}")(path, **parts)
        except FileFormatError as error:
            if str(error).startswith("at "):
                raise
            raise FileFormatError(f"at {path}: {error}") from error
        except Exception as error:  # of wrong types and values, wherever they surface
            raise FileFormatError(
                f"at {path} is no {kind}: {type(error).__name__}: {error}"
            ) from error

    def parts(self, stored: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Values by name."""
        return {name: self.read(p, f"{path}.{name}") for name, p in stored.items()}

    def pass_over(self, stored: Any) -> None:
        """Leave what skops holds for a value unopened."""
        if isinstance(stored, dict) and stored.get("is") == "skops":
            self._used.add(str(stored.get("member")))

    def unused(self) -> list[str]:
        """Arrays and members that nothing refers to."""
        return sorted({*self._arrays, *self._members} - self._used)

    def _read_float(self, path: str, value: str) -> float:
        if value not in ("nan", "inf", "-inf"):
            raise FileFormatError(f"{value!r} is none of nan, inf and -inf")
        return float(value)

    def _read_tuple(self, path: str, items: list[Any]) -> tuple[Any, ...]:
        return tuple(self.read(_list(items), path))

    def _read_set(self, path: str, items: list[Any]) -> set[Any]:
        return set(self.read(_list(items), path))

    def _read_frozenset(self, path: str, items: list[Any]) -> frozenset[Any]:
        return frozenset(self.read(_list(items), path))

    def _read_dict(self, path: str, items: list[Any]) -> dict[Any, Any]:
        pairs = self.read(_list(items), path)
        found = dict(pairs)
        if len(found) < len(pairs):
            raise FileFormatError("a key is there more than once")
        return found

    def _read_segment(self, path: str, value: str) -> str:
        return _Name(_text(value))

    def _read_date(self, path: str, value: str) -> dt.date:
        return dt.date.fromisoformat(value)

    def _read_datetime(self, path: str, value: str) -> dt.datetime:
        return dt.datetime.fromisoformat(value)

    def _read_numpy(self, path: str, dtype: str, value: Any) -> Any:
        if not SCALAR.fullmatch(dtype):
            raise FileFormatError(f"{dtype!r} is no type of a number or text")
        if dtype == "str":
            return np.str_(_text(value))
        plain = self.read(value, path)
        if type(plain) not in (bool, int, float):
            raise FileFormatError(f"{plain!r} is no number")
        if dtype.startswith(("datetime", "timedelta")):
            return np.int64(plain).view(dtype)
        found = np.dtype(dtype).type(plain)
        if type(found.item()) is not type(plain) or not _same(found.item(), plain):
            raise FileFormatError(f"{plain!r} is no {dtype}")
        return found

    def _read_array(self, path: str, name: str, by_columns: bool = False) -> Array:
        if name not in self._arrays:
            raise FileFormatError(f"there is no array {name!r}")
        self._used.add(name)
        found = self._arrays[name]
        return found.T if by_columns is True else found

    def _read_texts(
        self, path: str, items: list[str], shape: list[int], width: int
    ) -> Array:
        longest = max((len(_text(item)) for item in _list(items)), default=0)
        fits = (
            type(width) is int
            and longest <= width
            and (width <= max(1, longest) or width * len(items) <= MOST_ROOM)
        )
        if not fits:
            raise FileFormatError(f"texts of {longest} letters in {width!r}")
        found = np.array(items, dtype=f"<U{width}")
        return found.reshape(_shape(shape, len(items)))

    def _read_objects(self, path: str, items: list[Any], shape: list[int]) -> Array:
        found = np.empty(len(_list(items)), dtype=object)
        for i, item in enumerate(items):
            found[i] = self.read(item, f"{path}.{i}")
        return found.reshape(_shape(shape, len(items)))

    def _read_times(self, path: str, dtype: str, values: Any) -> Array:
        if not re.fullmatch(r"[mM]8(\[\w+\])?", dtype):
            raise FileFormatError(f"{dtype!r} is no type of times")
        found: Array = self.read(values, path)
        if found.dtype != np.int64:
            raise FileFormatError(f"times are int64, got {found.dtype}")
        return found.view(dtype)

    def _read_skops(self, path: str, member: str) -> Any:
        if member not in self._members:
            raise FileFormatError(f"there is no member {member!r}")
        self._used.add(member)
        if member not in self._opened:
            self._opened[member] = self._open(member, path)
        return self._opened[member]

    def _open(self, member: str, path: str) -> Any:
        from skops.io import loads  # it imports all of scikit-learn
        from skops.io.exceptions import UntrustedTypesFoundException

        if self._trusted is None:
            return Packed(member)
        data = bytes(self._members[member])
        check_plain_zip(data, member)
        try:
            return loads(data, trusted=[*OURS, *self._trusted])
        except UntrustedTypesFoundException as error:
            unknown = self._not_trusted(self._trusted)
            raise FileFormatError(
                f"it holds objects of types that are not trusted: {unknown}; look at "
                "what they do, and if you trust them and whoever wrote the file, name "
                f"them: load(path, trusted={unknown})"
            ) from error

    def _not_trusted(self, trusted: Collection[Any]) -> list[str]:
        """Types in all members, so that they can be looked at together."""
        named = {t if isinstance(t, str) else full_name(t) for t in trusted}
        return sorted(untrusted_types(self._members.values()) - named - set(OURS))


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise FileFormatError(f"{value!r} is no text")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise FileFormatError(f"{shortly(value)} is no list")
    return value


def _shape(shape: Any, size: int) -> tuple[int, ...]:
    if not all(type(n) is int and n >= 0 for n in _list(shape)):
        raise FileFormatError(f"{shape} is no shape")
    if math.prod(shape) != size:
        raise FileFormatError(f"{size} items do not fill the shape {shape}")
    return tuple(shape)
