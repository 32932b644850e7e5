"""All that a file holds in plain form."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer

from rarecorrect._files.checks import check_names, require
from rarecorrect._files.detectors import DETECTORS
from rarecorrect._files.reading import Reader
from rarecorrect._files.records import RECORDS
from rarecorrect._files.values import Form
from rarecorrect.column_model import ColumnModel

Parts = dict[str, Any]


def _column_model() -> Form:
    maybe = {"_learnt_classes", "n_features_in_", "feature_names_in_"}

    def make(parts: Parts, reader: Reader) -> ColumnModel:
        parameters = set(ColumnModel._get_param_names())
        check_names(parts, parameters, maybe)
        made = ColumnModel(**{name: parts[name] for name in parameters})
        made.__dict__.update({n: v for n, v in parts.items() if n in maybe})
        made._check_parameters()
        return made

    return Form(ColumnModel, vars, make)


def _imputer() -> Form:
    """The imputer of features: what it fills in, and where something was missing."""

    def take(made: SimpleImputer) -> Parts:
        return {"fill": made.statistics_, "missing": made.indicator_.features_}

    def make(parts: Parts, reader: Reader) -> SimpleImputer:
        check_names(parts, {"fill", "missing"})
        fill, missing = parts["fill"], parts["missing"]
        require(fill.ndim == 1 and fill.dtype.kind == "f", "fill is no row of numbers")
        require(np.isfinite(fill).all(), "fill is not finite")
        # the median of three equal values, or of the one that is not missing
        rows = np.stack([fill, fill, fill])
        rows[1:, missing] = np.nan
        made = SimpleImputer(
            strategy="median", add_indicator=True, keep_empty_features=True
        ).set_output(transform="default")
        return made.fit(rows)

    def fits(made: SimpleImputer) -> bool:
        wanted = SimpleImputer(
            strategy="median", add_indicator=True, keep_empty_features=True
        )
        return hasattr(made, "statistics_") and made.get_params() == wanted.get_params()

    return Form(SimpleImputer, take, make, fits)


def _random_state() -> Form:
    def take(made: np.random.RandomState) -> Parts:
        state: Any = made.get_state(legacy=False)
        return {**state, "state": None, **state["state"]}

    def make(parts: Parts, reader: Reader) -> np.random.RandomState:
        state = {**parts, "state": {"key": parts["key"], "pos": int(parts["pos"])}}
        made = np.random.RandomState()
        made.set_state({n: v for n, v in state.items() if n not in ("key", "pos")})
        return made

    return Form(np.random.RandomState, take, make)


FORMS = [*RECORDS, *DETECTORS, _column_model(), _imputer(), _random_state()]
