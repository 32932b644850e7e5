"""Values as JSON and arrays."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Collection
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

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


class Writer:
    """Turns values into JSON; collects their arrays, and skops members for the rest.

    Parameters
    ----------
    forms : list of Form
    """

    def __init__(self, forms: Collection[Form]) -> None:
        self._forms = {form.cls: form for form in forms}
        self.arrays: dict[str, Array] = {}
        self.members: dict[str, bytes] = {}
        # by identity; the objects are kept, so that no identity is given again
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def write(self, value: Any, path: str) -> Any:
        """JSON of a value; `path` says where it is, for messages and array names."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            if math.isfinite(value):
                return value
            return {"is": "float", "value": repr(value)}
        if kind is list:
            return self._items(value, path)
        if kind is tuple:
            return {"is": "tuple", "items": self._items(value, path)}
        if kind in (set, frozenset):  # in the same order every time
            items = sorted(self._items(value, path), key=repr)
            return {"is": kind.__name__, "items": items}
        if kind is dict:
            pairs = [list(pair) for pair in value.items()]
            return {"is": "dict", "items": self._items(pairs, path)}
        if kind is _Name:
            return {"is": "segment", "value": str(value)}
        if kind in (dt.date, dt.datetime):
            return {"is": kind.__name__, "value": value.isoformat()}
        if kind is Packed:  # its member is where it was
            return {"is": "skops", "member": value.member}
        if isinstance(value, np.generic):
            return _scalar(value, path)
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._object(value, path))
        return self._known[id(value)][1]

    def _items(self, values: Collection[Any], path: str) -> list[Any]:
        return [self.write(item, f"{path}.{i}") for i, item in enumerate(values)]

    def _object(self, value: Any, path: str) -> dict[str, Any]:
        if type(value) is np.ndarray:
            return self._array(value, path)
        form = self._forms.get(full_name(type(value)))
        if form is not None and form.fits(value):
            parts = {
                name: self.write(part, f"{path}.{name}")
                for name, part in form.take(value).items()
            }
            return {**parts, "is": form.kind}
        return self.write_by_skops(value, path)

    def _array(self, array: Array, path: str) -> dict[str, Any]:
        if array.dtype.kind == "U":
            items = array.ravel().tolist()
            width = array.dtype.itemsize // 4
            if width * len(items) > MOST_ROOM:
                width = max(1, *map(len, items))
            shape = list(array.shape)
            return {"is": "texts", "items": items, "shape": shape, "width": width}
        if array.dtype.kind == "O":
            items = self._items(array.ravel().tolist(), path)
            return {"is": "objects", "items": items, "shape": list(array.shape)}
        if array.dtype.kind in "mM":
            stored = {"is": "times", "dtype": np.dtype(array.dtype).str[1:]}
            return {**stored, "values": self._array(array.astype("i8"), path)}
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise ValueError(
                f"{path} is an array of {array.dtype}, which files do not hold"
            )
        # products may differ in the last bit with the order of numbers in memory
        columns = array.flags.f_contiguous and not array.flags.c_contiguous
        native = array.dtype.newbyteorder("=")
        rows = array.T if columns else array
        # reshaped, because ascontiguousarray makes an array of one of a number
        self.arrays[path] = np.ascontiguousarray(rows, native).reshape(rows.shape)
        order = {"by_columns": True} if columns else {}
        return {"is": "array", "name": path, **order}

    def write_by_skops(self, value: Any, path: str) -> dict[str, Any]:
        """Store a value that has no plain form in a member of its own."""
        from skops.io import dumps  # it imports all of scikit-learn

        try:
            _check_function(value)
            data = dumps(value)
        except Exception as error:  # whatever a foreign object raises
            raise ValueError(
                f"{path} is {shortly(value)}, which cannot be stored: {error}; "
                f"{_way_out(path)}"
            ) from error
        member = f"object-{len(self.members)}.skops"
        self.members[member] = data
        return {"is": "skops", "member": member}


def _check_function(value: Any) -> None:
    """Functions are stored by their names; these must lead back to them."""
    if isinstance(value, FunctionType):
        module = sys.modules.get(value.__module__)
        if getattr(module, value.__name__, None) is not value:
            raise ValueError("it is no function of a module, found by its name")


def _way_out(path: str) -> str:
    if path.startswith("model"):
        return "save without with_estimator, and pass it to load(path, estimator=...)"
    return (
        "use names, functions of a module that can be imported, or estimators that "
        "skops stores"
    )


def _scalar(value: np.generic, path: str) -> dict[str, Any]:
    name = "str" if isinstance(value, np.str_) else value.dtype.name
    if not SCALAR.fullmatch(name):
        raise ValueError(
            f"{path} is {value!r} of type {type(value).__name__}, which files do not "
            "hold; make it an int, a float or a str"
        )
    plain: Any = value.view(np.int64) if value.dtype.kind in "mM" else value
    plain = plain.item()
    if isinstance(plain, float) and not math.isfinite(plain):
        plain = {"is": "float", "value": repr(plain)}
    return {"is": "numpy", "dtype": name, "value": plain}
