"""A fitted corrector as a manifest, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.base import clone

from rarecorrect._files.book import read_book, write_book
from rarecorrect._files.checks import check_array, check_names, is_a, require
from rarecorrect._files.forms import FORMS
from rarecorrect._files.reading import Reader
from rarecorrect._files.writing import Writer
from rarecorrect.column_model import ColumnModel
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.explain import Usual
from rarecorrect.features import (
    FeatureExtractor,
    _head_of,
    _own_threshold,
    _unwrapped,
)
from rarecorrect.fit_report import FitReport
from rarecorrect.inputs import check_parameters
from rarecorrect.probe import Probe
from rarecorrect.versions import installed_versions

Array = npt.NDArray[Any]
Parts = dict[str, Any]

FORMAT = 1
_LIBRARIES = ("rarecorrect", "numpy", "scikit-learn", "skops", "xgboost", "lightgbm")
SECTIONS = {
    "format",
    "written_with",
    "corrector",
    "features",
    "model",
    "probe",
    "rules",
    "entries",
    "ledger",
    "versions",
    "past",
    "feature_names",
    "backgrounds",
    "report",
    "sha256",
}
# what a corrector holds beside its parameters, its book and what is made of others
_STATE = {
    "classes": "classes_",
    "calibration_indices": "calibration_indices_",
    "taught": "_taught",
    "calibrated": "_calibrated",
    "seed": "_seed",
    "read_from": "_read_from",
}
# what it need not hold: no names of columns, or a file from before explanations
_MAYBE = {
    "usual": "_usual",
    "n_features_in": "n_features_in_",
    "feature_names_in": "feature_names_in_",
}
_NEW_PARAMETERS = {"value"}
_METHODS = ("fit", "predict", "predict_proba", "decision_function", "score")
_FEATURES = {
    "sources": "sources_",
    "names": "names_",
    "classes": "classes_",
    "labels_from_scores": "labels_from_scores_",
    "one_score_per_class": "one_score_per_class_",
    "transformers": "_transformers",
    "imputer": "_imputer",
}


def write_corrector(
    corrector: ErrorCorrector,
    writer: Writer,
    *,
    with_estimator: bool,
    with_background: bool,
) -> Parts:
    """Manifest of a fitted corrector, without digests of the members."""
    parameters = corrector.get_params(deep=False)
    del parameters["estimator"]
    if hasattr(corrector.detector, "fit"):  # a prototype: what it learnt is not used
        parameters["detector"] = clone(corrector.detector)
    for name in _NEW_PARAMETERS:
        if parameters[name] is None:  # and earlier versions can read the file
            del parameters[name]
    return {
        "format": FORMAT,
        "written_with": installed_versions(_LIBRARIES),
        "corrector": {
            "parameters": {
                name: writer.write(value, f"corrector.parameters.{name}")
                for name, value in parameters.items()
            },
            "requests": writer.write(_requests(corrector), "corrector.requests"),
            **_written(corrector, _STATE, writer, "corrector"),
            **_written(corrector, _MAYBE, writer, "corrector"),
        },
        "features": _written(corrector.features_, _FEATURES, writer, "features"),
        "model": _write_model(corrector.estimator_, writer, with_estimator),
        "probe": writer.write(getattr(corrector, "probe_", None), "probe"),
        "report": writer.write(corrector.report_, "report"),
        **write_book(corrector.rules_, writer, with_background=with_background),
    }


def read_model(manifest: Parts, reader: Reader, *, needed: bool = True) -> Any:
    """The stored model, or None; it is made only where it is needed."""
    stored = manifest["model"]
    check_names(stored, {"name", "stored"}, {"threshold"})
    if not needed:
        reader.pass_over(stored["stored"])
        return None
    model = reader.read(stored["stored"], "model.stored")
    require(
        model is None or hasattr(model, "predict"), "the stored model cannot predict"
    )
    return model


def read_threshold(manifest: Parts, reader: Reader) -> tuple[bool, float | None]:
    """Whether it is known where the model decides, and its threshold, if it has one.

    A file from before thresholds were kept does not know, nor one of a ColumnModel,
    which stands there itself.
    """
    value = reader.read(manifest["model"].get("threshold"), "model.threshold")
    require(is_a(value, float | None), "model.threshold is no number")
    return "threshold" in manifest["model"], value


def read_probe(manifest: Parts, reader: Reader) -> tuple[Probe | None, Array]:
    """What is known of the model: its answers to synthetic rows, and its labels."""
    probe = reader.read(manifest["probe"], "probe")
    require(probe is None or type(probe) is Probe, "the probe is none")
    classes = reader.read(manifest["features"]["classes"], "features.classes")
    require(is_a(classes, np.ndarray), "features.classes are no labels")
    return probe, classes


def read_corrector(manifest: Parts, reader: Reader, model: Any) -> ErrorCorrector:
    """The corrector around a model; the model is not asked anything."""
    stored = manifest["corrector"]
    check_names(stored, {"parameters", "requests", *_STATE}, _MAYBE)
    features = _read_features(manifest["features"], reader, model)
    reader.n_features = len(features.names_)
    parameters = reader.parts(stored["parameters"], "corrector.parameters")
    known = set(ErrorCorrector._get_param_names()) - {"estimator"}
    # a file from before amounts were in the score names none
    check_names(parameters, known - _NEW_PARAMETERS, _NEW_PARAMETERS)
    corrector = ErrorCorrector(model, **parameters)
    check_parameters(corrector.get_params(deep=False))
    features.features = corrector.features
    corrector.estimator_, corrector.features_ = model, features
    for name, attribute in (_STATE | _MAYBE).items():
        if name in stored:
            value = reader.read(stored[name], f"corrector.{name}")
            setattr(corrector, attribute, value)
    corrector.rules_ = read_book(manifest, reader)
    _check_state(corrector)
    report = reader.read(manifest["report"], "report")
    require(type(report) is FitReport, "the report is none")
    corrector.report_ = replace(report, book=corrector.rules_)
    _request(corrector, reader.read(stored["requests"], "corrector.requests"))
    return corrector


def _written(owner: Any, names: Mapping[str, str], writer: Writer, path: str) -> Parts:
    return {
        name: writer.write(getattr(owner, attribute), f"{path}.{name}")
        for name, attribute in names.items()
        if hasattr(owner, attribute)
    }


def _write_model(model: Any, writer: Writer, with_estimator: bool) -> Parts:
    found: Parts = {"name": type(model).__name__, "stored": None}
    if isinstance(model, ColumnModel):  # a few words, and nothing learnt from rows
        return found | {"stored": writer.write(model, "model.stored")}
    if with_estimator:
        found["stored"] = writer.write_by_skops(model, "model.stored")
    # probe rows may all lie on one side of two thresholds
    return found | {"threshold": writer.write(_own_threshold(model), "model.threshold")}


def _read_features(stored: Any, reader: Reader, model: Any) -> FeatureExtractor:
    check_names(stored, set(_FEATURES))
    parts = reader.parts(stored, "features")
    kinds = {
        "sources": list,
        "names": list[str],
        "transformers": dict,
    }
    for name, kind in kinds.items():
        require(is_a(parts[name], kind), f"features.{name} are not as they should be")
    for name in ("labels_from_scores", "one_score_per_class"):
        require(is_a(parts[name], bool), f"features.{name} is neither true nor false")
    features = FeatureExtractor(model)
    for name, attribute in _FEATURES.items():
        setattr(features, attribute, parts[name])
    features._model = _unwrapped(model)
    features._steps = getattr(features._model, "steps", None)
    features._head = _head_of(model)
    for source in features.sources_:
        if source != "head":
            features._check_source(source)
    return features


def _check_state(corrector: ErrorCorrector) -> None:
    classes, chosen = corrector.classes_, corrector.calibration_indices_
    require(is_a(classes, np.ndarray) and classes.ndim == 1, "classes are no labels")
    listed = classes.tolist()
    require(all(a < b for a, b in pairwise(listed)), "classes are not sorted")
    known = set(listed)
    unknown = [rule.to for rule in corrector.rules_ if rule.to not in known]
    require(not unknown, f"rules give labels {unknown} that are not among the classes")
    require(set(corrector.features_.classes_.tolist()) <= known, "classes are missing")
    require(
        is_a(chosen, np.ndarray) and chosen.dtype.kind == "i" and chosen.ndim == 1,
        "calibration_indices are no positions",
    )
    n_calibrated = len(chosen)
    check_array(np.nan_to_num(corrector._taught), (None,), "taught", finite=False)
    found = np.nan_to_num(corrector._calibrated)
    check_array(found, (n_calibrated,), "calibrated", finite=False)
    if hasattr(corrector, "_usual"):
        usual, n_features = corrector._usual, len(corrector.features_.names_)
        require(type(usual) is Usual, "usual is no mean of right decisions")
        check_array(usual.means, (usual.labels.size, n_features), "means")
    require(type(corrector._seed) is int, "the seed is no number")
    require(type(corrector._read_from) is str, "read_from is no digest")
    n_columns = getattr(corrector, "n_features_in_", 1)
    require(type(n_columns) is int and n_columns > 0, f"it has {n_columns!r} columns")
    names = getattr(corrector, "feature_names_in_", np.empty(n_columns))
    require(
        is_a(names, np.ndarray) and names.shape == (n_columns,),
        f"there are not {n_columns} names of columns",
    )
    corrector._terms()  # refuses parameters out of range


def _requests(corrector: ErrorCorrector) -> Parts:
    """What was asked for with ``set_fit_request`` and the like."""
    asked = vars(corrector).get("_metadata_request")
    found = {m: getattr(asked, m).requests for m in _METHODS if hasattr(asked, m)}
    return {m: dict(requests) for m, requests in found.items() if requests}


def _request(corrector: ErrorCorrector, requests: Any) -> None:
    require(is_a(requests, dict), "requests are none")
    with sklearn.config_context(enable_metadata_routing=True):
        for method, wanted in requests.items():
            getattr(corrector, f"set_{method}_request")(**wanted)


def reader_of(
    members: Mapping[str, Any],
    arrays: Mapping[str, Any],
    trusted: Collection[Any] | None,
) -> Reader:
    """Reader of the values in the members of a file."""
    packed = {name: data for name, data in members.items() if name.endswith(".skops")}
    return Reader(FORMS, arrays, packed, trusted)
