"""Records of this package that a file holds: their fields, and what these must be."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from rarecorrect._files.checks import (
    check_array,
    check_names,
    check_types,
    require,
)
from rarecorrect._files.reading import Reader
from rarecorrect._files.values import Form
from rarecorrect.alert_budget import AlertBudget
from rarecorrect.background import Background, Reservoir
from rarecorrect.calibration import Terms
from rarecorrect.certify import Certificate
from rarecorrect.detectors.auto import Candidate
from rarecorrect.detectors.interval import _Side
from rarecorrect.explain import Usual
from rarecorrect.fit_report import FitReport
from rarecorrect.history import Event
from rarecorrect.learning import Refusal
from rarecorrect.ledger import LedgerEntry
from rarecorrect.moments import Moments
from rarecorrect.probe import N_ROWS, Probe, ProbeColumn
from rarecorrect.robust import RobustColumns
from rarecorrect.rule import KeptErrors, Rule
from rarecorrect.tail_scale import TailScale
from rarecorrect.whitening import Whitening

Parts = dict[str, Any]


def record(
    cls: Any, check: Callable[[Any], None] = lambda made: None, without: str = ""
) -> Form:
    """A dataclass: its fields, of the types that they say."""
    hints = typing.get_type_hints(cls)
    # in order: a set would shuffle the names of arrays from one process to the next
    names = [f.name for f in dataclasses.fields(cls) if f.name != without]

    def make(parts: Parts, reader: Reader) -> Any:
        check_names(parts, set(names))
        check_types(parts, hints)
        made = cls(**parts, **({without: None} if without else {}))
        check(made)
        return made

    return Form(cls, lambda made: {name: getattr(made, name) for name in names}, make)


def can_score(detector: Any) -> bool:
    """Whether an object has scores, as a fitted detector does."""
    return any(hasattr(detector, n) for n in ("decision_function", "predict_proba"))


def _is_label(value: Any) -> bool:
    """Whether a value can be a label or a stratum."""
    return isinstance(value, str | int | float | np.generic)


def _check_scale(scale: TailScale) -> None:
    n = scale.knots.size
    require(n > 0, "a scale has no knot")
    for name in ("knots", "values"):
        values = getattr(scale, name)
        check_array(values, (n,), name)
        require((np.diff(values) > 0).all(), f"{name} do not rise")
    for slope in (scale.slope_above, scale.slope_below):
        require(0 < slope < math.inf, f"the slope {slope} is not positive")


def _check_moments(moments: Moments) -> None:
    p = moments.mean.size
    require(0 <= moments.weight < math.inf, f"the weight {moments.weight} is negative")
    check_array(moments.mean, (p,), "mean")
    check_array(moments.scatter, (p, p), "scatter")


def _check_whitening(whitening: Whitening) -> None:
    check_array(whitening.matrix, (None, None), "matrix")
    p, k = whitening.matrix.shape
    check_array(whitening.mean, (p,), "mean")
    known = k if np.size(whitening.eigenvalues) else 0  # a triangular one knows none
    check_array(whitening.eigenvalues, (known,), "eigenvalues")


def _check_robust(scale: RobustColumns) -> None:
    check_array(scale.centre, (None,), "centre")
    check_array(scale.spread, scale.centre.shape, "spread")
    require((scale.spread > 0).all(), "a spread is not positive")
    check_array(scale.knots, (None, scale.centre.size), "knots")
    require(len(scale.knots) >= 2, "there are fewer than two knots")
    require((scale.knots[1:] >= scale.knots[:-1]).all(), "knots do not rise")


def _check_certificate(found: Certificate) -> None:
    for name in ("threshold", "max_damage", "confidence_level"):
        value = getattr(found, name)
        nothing = name == "max_damage" and not found.certified  # nothing to certify
        require(not math.isnan(value) or nothing, f"{name} is NaN")
    require(found.n_calibration >= 0, f"{found.n_calibration} rows calibrate")
    units = found.units
    check_array(units, (None,), "units", finite=False)
    counted = units.size in (0, found.n_calibration)  # none where nothing was certified
    require(counted, f"{units.size} units of {found.n_calibration}")
    require((units[1:] >= units[:-1]).all(), "units do not rise")


def _check_entry(entry: LedgerEntry) -> None:
    require(entry.kind in ("damage", "alerts"), f"there is no budget {entry.kind!r}")
    require(0 <= entry.delta <= 1, f"{entry.delta} is no probability")
    check_array(entry.scores, (None,), "scores", finite=False)
    require((entry.scores[1:] >= entry.scores[:-1]).all(), "scores do not rise")


def _check_rule(rule: Rule) -> None:
    labels = (rule.to, *(rule.from_labels or ()))
    require(all(map(_is_label, labels)), f"{labels} are no labels")
    for name in ("log_share", "intercept"):
        require(math.isfinite(getattr(rule, name)), f"{name} is not finite")
    require(not math.isnan(rule.worth), "worth is NaN")
    if rule.coef is not None:
        check_array(rule.coef, (None,), "coef")
    else:
        require(can_score(rule.detector), "its detector has no scores")
    check_array(np.nan_to_num(rule.left_out), (None,), "left_out", finite=False)
    strata = rule.left_out_strata
    require(
        strata is None or strata.shape == rule.left_out.shape,
        "left_out_strata has not a stratum for every left-out error",
    )
    check_array(np.nan_to_num(rule.keys), (None,), "keys", finite=False)
    n, kept = rule.keys.size, rule.errors
    require(n in (0, rule.n_errors), f"{n} keys of {rule.n_errors} errors")
    require(len(rule.case_ids) in (0, rule.n_errors), "an error has no id")
    require(kept is None or len(kept.Z) == n, "errors that are kept have no keys")


def _check_kept(kept: KeptErrors) -> None:
    _check_rows(kept.Z, kept.labels, kept.strata)
    require(np.isfinite(kept.Z).all(), "errors that are kept are not finite")


def _check_event(event: Event) -> None:
    require(0 <= event.n_active <= event.n_rules, f"{event.n_active} rules are active")
    dt.datetime.fromisoformat(event.time)  # refuses what is no time


def _check_rows(Z: Any, *columns: Any) -> None:
    """Features and what belongs to them: a value for each row."""
    require(Z.ndim == 2 and Z.dtype.kind == "f", "features are no table of numbers")
    for column in columns:
        same = column is None or column.shape == Z.shape[:1]
        require(same, "there is not a value for every row")


def _check_reservoir(kept: Reservoir) -> None:
    _check_rows(kept.Z, kept.labels, kept.strata, kept.groups, kept.weight)


def _check_background(known: Background) -> None:
    _check_rows(known.sample, known.sample_labels)
    require(np.isfinite(known.sample).all(), "the sample is not finite")
    p, kept, columns = known.n_features, known.reservoir, known.columns
    n_columns = p if columns is None else 2 * p
    same = all(moments.mean.size == n_columns for moments in known.moments.values())
    same &= kept is None or kept.Z.shape[1] == p
    same &= columns is None or columns.centre.size == p
    require(same, f"moments, sample and reservoir are not all of {p} features")


def _check_probe(probe: Probe) -> None:
    n = len(probe.labels)
    require(probe.columns, "there is no column")
    for values in (probe.sure, *(column.values for column in probe.columns)):
        require(values.shape == (n,) == (N_ROWS,), f"there are not {N_ROWS} values")
    require(math.prod(probe.shape) == len(probe.columns), "the shape is another")
    require(probe.sure.dtype == bool, "sure is no truth")
    require(probe.labels.ndim == 1, "labels are no list")
    if probe.scores is not None:
        require(probe.scores.shape[:1] == (n,), "there is not a score for every row")
    require(probe.rows is not None, "there are no rows")  # or they cannot be made


def _check_usual(usual: Usual) -> None:
    n, counts = usual.labels.size, usual.counts
    require(usual.labels.shape == counts.shape == (n,), "labels and counts differ")
    require(counts.dtype.kind == "i" and (counts > 0).all(), "a count is none")


def _check_side(side: _Side) -> None:
    require(side.sign in (-1, 1), f"sign is {side.sign}")
    require(side.column >= 0, f"column is {side.column}")
    require(math.isfinite(side.offset), "offset is not finite")


RECORDS = [
    record(TailScale, _check_scale),
    record(Moments, _check_moments),
    record(Whitening, _check_whitening),
    record(RobustColumns, _check_robust),
    record(Certificate, _check_certificate),
    record(LedgerEntry, _check_entry),
    record(KeptErrors, _check_kept),
    record(Rule, _check_rule),
    record(Refusal),
    record(AlertBudget),
    record(Terms),
    record(FitReport, without="book"),
    record(Candidate),
    record(_Side, _check_side),
    record(ProbeColumn),
    record(Probe, _check_probe),
    record(Usual, _check_usual),
    record(Event, _check_event),
    record(Reservoir, _check_reservoir),
    record(Background, _check_background),
]
