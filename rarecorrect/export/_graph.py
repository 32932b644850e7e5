"""An ONNX graph under construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

OPSETS = {"": 17, "ai.onnx.ml": 3}  # engines since 2022 know them
_IR_VERSION = 8  # that goes with them


def require_onnx() -> None:
    """Refuse to go on without the extra.

    Raises
    ------
    ImportError
        With the command that installs it.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"to_onnx needs onnx, skl2onnx and onnxruntime ({error}): "
            "pip install 'rarecorrect[onnx]'"
        ) from error


class Graph:
    """Nodes and constants, in the order in which they were asked for.

    A tensor is known by its name, a str.  Kinds of numbers are called as ONNX calls
    them: ``"double"``, ``"float"``, ``"int64"``, ``"int32"``, ``"bool"``, ``"string"``.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, kind: str, width: int | None = None) -> str:
        """Declare an input of one row per case.

        Parameters
        ----------
        name, kind : str
        width : int, optional
            Number of columns; by default a list, not a table.

        Returns
        -------
        str
            Its name.
        """
        self._inputs.append(_described(name, kind, width))
        return name

    def output(self, name: str, kind: str, width: int | None = None) -> None:
        """Declare a tensor to be an output.

        Parameters
        ----------
        name, kind, width
            As in :meth:`input`.
        """
        self._outputs.append(_described(name, kind, width))

    def constant(self, values: Any) -> str:
        """Add a constant tensor.

        Parameters
        ----------
        values : array-like
            Numbers, truth values or text.

        Returns
        -------
        str
        """
        from onnx import numpy_helper

        array = np.asarray(values)
        if array.dtype.kind == "U":
            array = array.astype(object)
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, result: str = "", **attributes: Any) -> str:
        """Add a node with one result.

        Parameters
        ----------
        kind : str
            Operator; ``"ml.Name"`` for one of the domain ``ai.onnx.ml``.
        *inputs : str
        result : str, optional
            Name of the result; by default one of its own.
        **attributes
            Of the operator.

        Returns
        -------
        str
            Name of the result.
        """
        from onnx import helper

        name = result or f"tensor_{len(self._nodes)}"
        domain = "ai.onnx.ml" if kind.startswith("ml.") else ""
        kind = kind.removeprefix("ml.")
        self._nodes.append(
            helper.make_node(kind, inputs, [name], domain=domain, **attributes)
        )
        return name

    def cast(self, name: str, kind: str, result: str = "") -> str:
        """Convert numbers or truth values.

        Parameters
        ----------
        name, kind : str
        result : str, optional
            As in :meth:`add`.

        Returns
        -------
        str
        """
        return self.add("Cast", name, result=result, to=_number_of(kind))

    def beside(self, names: Iterable[str]) -> str:
        """Put tables side by side.

        Parameters
        ----------
        names : iterable of str
            At least one.

        Returns
        -------
        str
        """
        first, *others = names
        return self.add("Concat", first, *others, axis=1) if others else first

    def include(
        self,
        model: Any,
        prefix: str,
        written_out: Mapping[str, Callable[[Graph, str, str], str]] | None = None,
    ) -> list[str]:
        """Add a whole model; its inputs are tensors that are here by the same name.

        Parameters
        ----------
        model : onnx.ModelProto
        prefix : str
            Of all other names.
        written_out : mapping of str to callable, optional
            Operators of one input to be replaced by ``f(graph, input, result)``.

        Returns
        -------
        list of str
            Its outputs.
        """
        from onnx.compose import add_prefix

        inner = add_prefix(model, prefix, rename_inputs=False).graph
        self._constants += inner.initializer
        for node in inner.node:
            write = (written_out or {}).get(node.op_type)
            if write is None:
                self._nodes.append(node)
            else:
                write(self, node.input[0], node.output[0])
        return [output.name for output in inner.output]

    def model(self, metadata: Mapping[str, str] | None = None) -> Any:
        """Finish, and check what was made.

        Parameters
        ----------
        metadata : mapping of str to str, optional

        Returns
        -------
        onnx.ModelProto
        """
        from onnx import checker, helper

        graph = helper.make_graph(
            self._nodes, "rarecorrect", self._inputs, self._outputs, self._constants
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*item) for item in OPSETS.items()],
            ir_version=_IR_VERSION,
            producer_name="rarecorrect",
        )
        helper.set_model_props(made, dict(metadata or {}))
        checker.check_model(made, full_check=True)
        return made


def _number_of(kind: str) -> int:
    from onnx import TensorProto

    return int(getattr(TensorProto, kind.upper()))


def _described(name: str, kind: str, width: int | None) -> Any:
    from onnx import helper

    shape = [None] if width is None else [None, width]
    return helper.make_tensor_value_info(name, _number_of(kind), shape)
