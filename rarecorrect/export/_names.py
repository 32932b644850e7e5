"""Labels and segments in an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rarecorrect.export._graph import Graph


@dataclass(frozen=True, slots=True)
class Names:
    """Labels or segments that a graph knows.

    Attributes
    ----------
    values : tuple
        Python values, all of one type.
    kind : {"string", "int64", "bool"}
        How ONNX holds them.
    """

    values: tuple[Any, ...]
    kind: str

    @classmethod
    def of(cls, values: Iterable[Any], what: str) -> Names:
        """Collect names.

        Parameters
        ----------
        values : iterable
            Python values, some of them twice.
        what : str
            For the error.

        Returns
        -------
        Names

        Raises
        ------
        ValueError
            For other types, or several.
        """
        known = tuple(dict.fromkeys(values))
        kinds = {_KINDS.get(type(value), "string") for value in known}
        odd = [v for v in known if not isinstance(v, str) and type(v) not in _KINDS]
        if odd or len(kinds) > 1:
            raise ValueError(
                f"ONNX holds {what} that are all int, all str or all bool, got "
                f"{known[:5]}; convert them before fit"
            )
        return cls(known, kinds.pop() if kinds else "string")

    def constant(self, graph: Graph, values: Iterable[Any]) -> str:
        """Add names as a tensor that can be chosen from.

        Parameters
        ----------
        graph : Graph
        values : iterable
            Of this type.

        Returns
        -------
        str
            Truth values are numbers here, as in :meth:`chosen`.
        """
        plain = str if self.kind == "string" else int
        return graph.constant([plain(value) for value in values])

    def give(self, graph: Graph, name: str, output: str) -> None:
        """Make a tensor of names an output.

        Parameters
        ----------
        graph : Graph
        name : str
            Truth values as numbers.
        output : str
            Its name as an output.
        """
        if self.kind == "bool":
            graph.cast(name, "bool", result=output)
        else:
            graph.add("Identity", name, result=output)
        graph.output(output, self.kind)

    def numbers(self, graph: Graph, name: str) -> str:
        """Make what can be chosen and looked up of a tensor of names.

        Parameters
        ----------
        graph : Graph
        name : str

        Returns
        -------
        str
            Truth values as numbers, for which there are more operators.
        """
        return graph.cast(name, "int64") if self.kind == "bool" else name

    def places(self, graph: Graph, name: str) -> str:
        """Look names up.

        Parameters
        ----------
        graph : Graph
        name : str
            As :meth:`numbers` gives it.

        Returns
        -------
        str
            Place of every name in `values`; one more for all that is not there.
        """
        text, n = self.kind == "string", len(self.values)
        asked: dict[str, Any] = {
            "keys_strings" if text else "keys_int64s": [
                str(value) if text else int(value) for value in self.values
            ],
            "values_int64s": list(range(n)),
            "default_int64": n,
        }
        return graph.add("ml.LabelEncoder", name, **asked)


_KINDS = {bool: "bool", int: "int64"}
