"""What a feature extractor reads off a model, as nodes of an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline

from rarecorrect.export._graph import OPSETS, Graph
from rarecorrect.features import SMALLEST_PROBABILITY, FeatureExtractor

_NUMBERS = {"double": np.float64, "float": np.float32}


def features_read(
    graph: Graph, model: Any, extractor: FeatureExtractor, kind: str
) -> tuple[str, str]:
    """Add a model and what is read off it.

    Parameters
    ----------
    graph : Graph
        With an input ``X`` of shape (n_rows, n_columns), double.
    model : classifier
        That of the extractor, without ``FrozenEstimator``.
    extractor : FeatureExtractor
        Fitted.
    kind : {"double", "float"}
        Precision of the model.  In ``"float"`` only its labels are read: scores would
        be too coarse for thresholds.

    Returns
    -------
    label : str
        Tensor of shape (n_rows,).
    features : str
        Tensor of shape (n_rows, n_features), double.

    Raises
    ------
    ValueError
        For features that cannot be written.
    """
    sources = extractor.sources_
    if kind == "float" and sources != ["input"]:
        raise ValueError(f"features {sources} would be too coarse for thresholds")
    reader = _Reader(graph, model, kind)
    label, *scores = reader.answers()
    parts = [reader.part(source, scores) for source in sources]
    return label, _imputed(graph, graph.beside(parts), extractor.parts_[-1])


@dataclass(slots=True)
class _Reader:
    """A model and its precision; counts what was converted of it."""

    graph: Graph
    model: Any
    kind: str
    count: int = 0

    def answers(self) -> list[str]:
        """Label, and scores if there are any; skl2onnx knows no thresholds."""
        graph, model = self.graph, self.model
        if not isinstance(model, FixedThresholdClassifier | TunedThresholdClassifierCV):
            return self.include(model)
        _, scores = self.include(model.estimator_)
        tuned = isinstance(model, TunedThresholdClassifierCV)
        cut = model.best_threshold_ if tuned else model.threshold
        # whatever is meant otherwise by the scorer shows in the synthetic rows
        asked, classes = getattr(model, "pos_label", None), model.classes_.tolist()
        side = 1 if asked is None else classes.index(asked)
        if cut == "auto" or not hasattr(model, "predict_proba"):
            raise ValueError(f"a threshold of {cut!r} on scores that are no shares")
        score = graph.add("Gather", scores, graph.constant(side), axis=1)
        limit = graph.constant(np.asarray(cut, dtype=_NUMBERS[self.kind]))
        there = graph.add("GreaterOrEqual", score, limit)
        this, other = (graph.constant(classes[i]) for i in (side, 1 - side))
        return [graph.add("Where", there, this, other), scores]

    def include(self, model: Any) -> list[str]:
        """Outputs of a model or transformer on ``X``."""
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        type_of = {"double": DoubleTensorType, "float": FloatTensorType}[self.kind]
        name = "X"
        if self.kind == "float":
            name = self.graph.cast("X", "float", result="X_float")
        asked: dict[str, Any] = {
            "initial_types": [(name, type_of([None, model.n_features_in_]))],
            "target_opset": OPSETS,
        }
        try:  # a table of scores, where it would be a list of dicts
            made = to_onnx(model, options={"zipmap": False}, **asked)
        except NameError:  # there is nothing to choose
            made = to_onnx(model, **asked)
        self.count += 1
        written_out = {"Sigmoid": _sigmoid} if self.kind == "double" else {}
        return self.graph.include(made, f"part_{self.count}_", written_out)

    def part(self, source: Any, scores: list[str]) -> str:
        """A table of features."""
        if source == "input":
            return "X"
        if source == "logits":
            return self._logits(scores[0])
        if source == "head":
            return self._head()
        if isinstance(source, str) and source.startswith("step:"):
            return self._output_of(source.partition(":")[2])
        if isinstance(source, str) and source.startswith("hidden:"):
            return self._activations(int(source.partition(":")[2]))
        raise ValueError(f"features {source!r} have no form in ONNX")

    def _logits(self, scores: str) -> str:
        """Centred log probabilities, or decision values."""
        graph, head = self.graph, _head_of(self.model)
        binary = len(head.classes_) == 2
        second = graph.constant([1])
        if not hasattr(head, "predict_proba"):
            return graph.add("Gather", scores, second, axis=1) if binary else scores
        least = graph.constant(SMALLEST_PROBABILITY)
        logs = graph.add("Log", graph.add("Max", scores, least))
        if not binary:
            mean = graph.add("ReduceMean", logs, axes=[1], keepdims=1)
            return graph.add("Sub", logs, mean)
        first = graph.add("Gather", logs, graph.constant([0]), axis=1)
        return graph.add("Sub", graph.add("Gather", logs, second, axis=1), first)

    def _output_of(self, step: str) -> str:
        """Output of a step of a pipeline."""
        names = [name for name, _ in self.model.steps]
        (found,) = self.include(Pipeline(self.model.steps[: names.index(step) + 1]))
        return found

    def _head(self) -> str:
        """What the last step of a pipeline gets."""
        steps = getattr(self.model, "steps", [])
        return self._output_of(steps[-2][0]) if len(steps) > 1 else "X"

    def _activations(self, layer: int) -> str:
        """A hidden layer of a multi-layer perceptron."""
        graph, head, found = self.graph, _head_of(self.model), self._head()
        n_hidden = len(head.coefs_) - 1
        for i in range(layer % n_hidden + 1):
            weights, offsets = head.coefs_[i], head.intercepts_[i]
            found = graph.add("MatMul", found, graph.constant(weights.astype(float)))
            found = graph.add("Add", found, graph.constant(offsets.astype(float)))
            if head.activation != "identity":
                found = _activated(graph, found, head.activation)
        return found


def _activated(graph: Graph, values: str, activation: str) -> str:
    if activation == "logistic":
        return _sigmoid(graph, values)
    return graph.add({"tanh": "Tanh", "relu": "Relu"}[activation], values)


def _sigmoid(graph: Graph, values: str, result: str = "") -> str:
    """Written out: onnxruntime takes a small one from 1, and few digits are left."""
    inverse = graph.add("Exp", graph.add("Neg", values))
    below = graph.add("Add", inverse, graph.constant(1.0))
    return graph.add("Reciprocal", below, result=result)


def _head_of(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _imputed(graph: Graph, features: str, imputer: Any) -> str:
    """Medians in the place of what is missing, and columns that mark it."""
    if imputer is None:
        return features
    missing = graph.add("IsNaN", features)
    medians = graph.constant(imputer.statistics_.astype(float))
    filled = graph.add("Where", missing, medians, features)
    marked = graph.constant(imputer.indicator_.features_.astype(np.int64))
    marks = graph.cast(graph.add("Gather", missing, marked, axis=1), "double")
    return graph.beside([filled, marks])
