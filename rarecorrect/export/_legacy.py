"""The legacy model, up to the features that rules read, as part of an ONNX graph."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.frozen import FrozenEstimator

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.export._features import features_read
from rarecorrect.export._graph import Graph
from rarecorrect.export._names import Names

Array = npt.NDArray[Any]

_TIMES = 64  # as many rows as the probe has, each time in another order
_CLOSE = 1e-6  # of a feature, absolute and relative
_ROUNDED = 1e-9  # the log of a smaller probability is mostly rounding, here and there


def add_legacy_model(
    graph: Graph, corrector: ErrorCorrector, labels: Names
) -> tuple[str, str]:
    """Add the legacy model and the features, if that gives what Python gives.

    skl2onnx converts some models to graphs that answer otherwise.  So a graph is tried
    on synthetic rows before it is taken, first in double precision, then in single,
    which is all that there is for trees.

    Parameters
    ----------
    graph : Graph
        With an input ``X`` of shape (n_rows, n_columns), double.
    corrector : ErrorCorrector
    labels : Names

    Returns
    -------
    label : str
        Tensor of shape (n_rows,); truth values as numbers.
    features : str
        Tensor of shape (n_rows, n_features), double.

    Raises
    ------
    ValueError
        If it cannot be converted, with the reasons.
    """
    model, reasons = thawed(corrector.estimator_), []
    for kind in ("double", "float"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # converters, of their own affairs
                made = _converted(model, corrector, labels, kind)
                reason = _difference(made, corrector)
        except Exception as error:  # whatever the model, and whoever converts it
            reason = " ".join(str(error).split()) or type(error).__name__
            if "Unable to find column name" in reason:  # on and on about initial_types
                reason = "it picks columns by name, and a graph has them in one table"
        if not reason:
            label, features = graph.include(made, "legacy_")
            return label, features
        reasons.append(f"in {kind} precision: {reason[:300]}")
    raise ValueError(
        f"{type(model).__name__} with features={corrector.features!r} cannot be "
        f"written in ONNX: {'; '.join(reasons)}. Write the rules alone, alone=True, "
        "and run the model where it runs now"
    )


def thawed(value: Any) -> Any:
    """A model without the ``FrozenEstimator`` around it or its parts.

    Released skl2onnx has no converter for them.

    Parameters
    ----------
    value : object
        A fitted model, or what one holds.

    Returns
    -------
    object
        A copy where something was unwrapped inside; fitted parts are shared.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> thawed(make_pipeline(FrozenEstimator(LogisticRegression()))).steps
    [('frozenestimator', LogisticRegression())]
    """
    if isinstance(value, FrozenEstimator):
        return thawed(value.estimator)
    if type(value) in (list, tuple):
        return type(value)(map(thawed, value))
    if not type(value).__module__.startswith("sklearn.") or not hasattr(
        value, "__dict__"
    ):
        return value
    found = {name: thawed(part) for name, part in vars(value).items()}
    if all(found[name] is part for name, part in vars(value).items()):
        return value
    made = copy.copy(value)
    vars(made).update(found)
    return made


def _converted(model: Any, corrector: ErrorCorrector, labels: Names, kind: str) -> Any:
    """From columns to the legacy label and the features."""
    graph = Graph()
    graph.input("X", "double", corrector.n_features_in_)
    label, features = features_read(graph, model, corrector.features_, kind)
    if labels.kind != "string":
        label = graph.cast(label, "int64")
    graph.output(label, "string" if labels.kind == "string" else "int64")
    # an input cannot be an output as it is
    features = graph.add("Identity", features)
    graph.output(features, "double", len(corrector.features_.names_))
    return graph.model()


def _difference(made: Any, corrector: ErrorCorrector) -> str:
    """What a graph gives otherwise on synthetic rows, in words."""
    from onnxruntime import InferenceSession

    rows = _rows(corrector)
    session = InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, features = session.run(None, {"X": rows})
    names = getattr(corrector, "feature_names_in_", None)
    asked = rows if names is None else pd.DataFrame(rows, columns=names)
    said = corrector.features_.read(asked)
    other = int(np.count_nonzero(labels != said.labels))
    if other:
        return f"{other} of {len(rows)} synthetic rows get another label"
    same = np.isclose(
        features, said.features, rtol=_CLOSE, atol=_CLOSE, equal_nan=True
    ).all(axis=1)
    if said.scores is not None and hasattr(corrector.estimator_, "predict_proba"):
        same |= said.scores.min(axis=1) < _ROUNDED
    apart = int(np.count_nonzero(~same))
    return f"{apart} of {len(rows)} synthetic rows get other features" if apart else ""


def _rows(corrector: ErrorCorrector) -> Array:
    """Rows of the probe, and more with their columns shuffled."""
    if corrector.probe_ is None:
        raise ValueError("there are no probe rows (probe_) to try the graph on")
    few = np.asarray(corrector.probe_.rows, dtype=float)
    rng = np.random.default_rng(0)
    return np.vstack([few, *(rng.permuted(few, axis=0) for _ in range(_TIMES - 1))])
