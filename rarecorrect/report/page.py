"""The page: what is told, in which order, and how it becomes one file."""

from __future__ import annotations

import base64
import hashlib
import os
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from rarecorrect._compat import safe_indexing
from rarecorrect.alert_budget import AlertBudget, whole_days
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.exceptions import TrainingRowsWarning
from rarecorrect.metrics import as_labels
from rarecorrect.outcome import Outcome
from rarecorrect.plot import (
    AlertBudgetDisplay,
    DamageDisplay,
    GainRetentionDisplay,
    SeparabilityDisplay,
)
from rarecorrect.promise import limits, promises
from rarecorrect.report import _charts as charts
from rarecorrect.report import _evidence as evidence
from rarecorrect.report import _measured as measured
from rarecorrect.report import _provenance as provenance
from rarecorrect.report import _tiles as tiles
from rarecorrect.report._numbers import counted, share
from rarecorrect.report._tables import Table
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.training_rows import MANY_TAUGHT
from rarecorrect.whole_file import write_whole

Parts = dict[str, Any]

_BY_CHANCE = 0.01  # so many rows may be taken for others of the fit


def html(
    corrector: ErrorCorrector,
    X: Any = None,
    y: npt.ArrayLike | None = None,
    *,
    segment: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    case_id: npt.ArrayLike | None = None,
    title: str = "",
    examples: int = 10,
    path: str | os.PathLike[str] | None = None,
) -> str:
    """Write a report on a correction as one HTML page that loads nothing.

    What was wrong, what was learnt, what is promised and what is not, what happened on
    new cases, rules with their evidence, examples, what was refused, where it all
    comes from, and how to undo it.

    Parameters
    ----------
    corrector : ErrorCorrector
        Fitted.
    X : array-like, frame or sparse matrix of shape (n_rows, n_columns), optional
        Cases that took no part in the fit.  Without: only what the corrector keeps.
    y : array-like of shape (n_rows,), optional
        Their true labels; needed with `X`.  Some may be missing (None, NaN): such cases
        count as alerts of their day, and nowhere else.
    segment : array-like of shape (n_rows,), optional
        As in :meth:`rarecorrect.ErrorCorrector.predict`.
    time : array-like of shape (n_rows,), optional
        Days as numbers, or datetime64: shows promised and seen damage by window, and
        alerts by day.
    case_id : array-like of shape (n_rows,), optional
        What cases are called; default: the index of a frame, else 0, 1, ...
    title : str, default=""
        Default: a correction, and the class of the model.
    examples : int, default=10
        Changed cases that are shown, at most.  They hold values of features, which may
        be personal data; 0: none.
    path : str or path, optional
        A file that is written whole or not at all.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For one of `X` and `y` without the other, for `y` without any label that is
        known, or fewer than 0 examples.
    ImportError
        Without jinja2: ``pip install 'rarecorrect[report]'``.
    NotFittedError
        If the corrector is not fitted.

    Warns
    -----
    TrainingRowsWarning
        If more than a tenth of the cases took part in the fit; the page says it too.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
    >>> page = html(corrector, X[2000:], y[2000:], title="A new class")
    >>> page[:15], "<h1>A new class</h1>" in page
    ('<!doctype html>', True)
    """
    check_is_fitted(corrector)
    if examples < 0:
        raise ValueError(f"examples must be 0 or more, got {examples}")
    if (X is None) != (y is None):
        raise ValueError(
            "a report needs cases and their true labels, html(corrector, X, y), or "
            "neither: html(corrector)"
        )
    model = type(corrector.estimator_).__name__
    told = _of_corrector(corrector) | {"title": title or f"Correction of a {model}"}
    if X is not None and y is not None:
        beside = {"segment": segment, "case_id": case_id, "time": time}
        told |= _of_cases(corrector, X, y, beside, examples)
        if told["used"] > MANY_TAUGHT:
            warnings.warn(told["warning"], TrainingRowsWarning, stacklevel=2)
    page = _rendered(told)
    if path is not None:
        write_whole(path, lambda part: Path(part).write_text(page, encoding="utf-8"))
    return page


def _of_corrector(corrector: ErrorCorrector) -> Parts:
    """What can be told without a case."""
    in_force, status = evidence.status(corrector)
    report = corrector.report_
    kept = SeparabilityDisplay.of_book(corrector)
    return {
        "written": provenance.written(),
        "in_force": in_force,
        "status": status,
        "done": evidence.done(corrector),
        "tiles": tiles.of_book(corrector),
        "report": report,
        "accuracy": share(report.legacy_accuracy),
        "learnt": evidence.learnt(corrector),
        "sentences": evidence.readable_rules(corrector),
        "promises": promises(report),
        "limits": limits(report),
        "certificates": evidence.certificates_table(corrector),
        "verdicts": evidence.verdicts(corrector),
        "kept_scores": charts.separability(kept)
        if kept.right.size and kept.errors.size
        else "",
        "rules": evidence.rules_table(corrector),
        "people": provenance.people_table(corrector),
        "refusals": evidence.refusals(corrector),
        "provenance": provenance.provenance(corrector),
        "history": provenance.history_table(corrector),
        "ways_back": provenance.ways_back(corrector),
        "outcome": None,
        "used": 0.0,
        "warning": "",
    }


def _of_cases(
    corrector: ErrorCorrector, X: Any, y: npt.ArrayLike, beside: Parts, examples: int
) -> Parts:
    """What is seen on labelled cases; `beside`: columns that stand beside `X`."""
    time = beside.pop("time")
    given = column_or_1d(np.asarray(y, dtype=object))
    known = np.flatnonzero(~pd.isna(given))
    outcome = _outcome(corrector, X, given, known, beside)
    found = {"n_unknown": len(given) - known.size, **_seen(outcome, examples)}
    if time is None:
        return found
    check_consistent_length(given, time)
    days, changed = whole_days(time), outcome.changed
    if known.size < len(given):  # alerts are alerts, whatever their outcome
        trace = corrector.trace(X, segment=beside["segment"])
        changed = (trace["changed"] | trace["flagged"]).to_numpy()
    done = evidence.done(corrector)
    windows, what = measured.windows_of(days[known])
    shown = DamageDisplay.of_outcome(outcome, by=windows)
    found["damage"].append(_damage(shown, what, done))
    budget = AlertBudget.parse(corrector.alert_budget)
    cap = None if budget is None else budget.per_day
    alerts = AlertBudgetDisplay.counted(changed, days, cap=cap)
    return found | {"alerts": charts.alerts(alerts), "alerts_told": _told(alerts, done)}


def _outcome(
    corrector: ErrorCorrector, X: Any, y: Any, known: Any, beside: Parts
) -> Outcome:
    """What became of the cases whose labels are known."""
    if not known.size:
        raise ValueError(f"none of the {len(y):,} labels in y is known")
    if known.size == len(y):
        return Outcome.of(corrector, X, _as_they_are_known(corrector, y), **beside)
    check_consistent_length(X, y)
    part = {
        name: None if column is None else np.asarray(column)[known]
        for name, column in beside.items()
    }
    if part["case_id"] is None and not isinstance(X, pd.DataFrame):
        part["case_id"] = known  # the places among all of them
    labels = _as_they_are_known(corrector, y[known])
    return Outcome.of(corrector, safe_indexing(X, known), labels, **part)


def _as_they_are_known(corrector: ErrorCorrector, y: Any) -> Any:
    """Labels as the corrector knows them: a gap has made 1.0 of every 1."""
    labels, kind = as_labels(y.tolist(), "y"), corrector.classes_.dtype
    if labels.dtype.kind == "f" and kind.kind in "iu" and np.all(labels % 1 == 0):
        return labels.astype(kind)
    return labels


def _seen(outcome: Outcome, examples: int) -> Parts:
    """Everything but what needs the time."""
    corrector = outcome.corrector
    used = outcome.taught_share + outcome.calibrated_share
    right, wrong = int(outcome.right.sum()), int((~outcome.right).sum())
    done = evidence.done(corrector)
    digest = fingerprint_of_rows(outcome.reading.features)[:16]
    found: Parts = {
        "outcome": outcome,
        "n_cases": len(outcome),
        "n_wrong": wrong,
        "tiles": tiles.of_cases(outcome),
        "before_after": measured.before_after(outcome),
        "kinds": measured.kinds_of_errors(outcome) if wrong else None,
        "spillover": measured.spillover(outcome),
        "damage": [_damage(DamageDisplay.of_outcome(outcome), "true label", done)],
        "curve": "",
        "scores": "",
        "alerts": "",
        "rules": evidence.rules_table(corrector, measured.rule_counts(outcome)),
        "cases": measured.cases(outcome, examples),
        "n_changed": int(outcome.changed.sum()),
        "used": used,
        "warning": _warning(outcome) if used > _BY_CHANCE else "",
        "provenance": [
            *provenance.provenance(corrector),
            ("Cases of this report", f"{len(outcome):,}, fingerprint {digest}"),
        ],
    }
    if right and wrong and corrector.rules_.active:
        shown = GainRetentionDisplay.of_outcome(outcome)
        found["curve"] = charts.gain_retention(shown)
        found["scores"] = charts.separability(SeparabilityDisplay.of_outcome(outcome))
    return found


def _damage(shown: DamageDisplay, by: str, done: str) -> tuple[str, str, Table]:
    """What it is by, the picture and the numbers."""
    return by, charts.damage(shown, done), measured.damage_table(shown, by, done)


def _told(shown: AlertBudgetDisplay, done: str) -> str:
    told = (
        f"On {counted(len(shown.days), 'day')}, {shown.alerts.mean():.1f} decisions a "
        f"day were {done} on average, {int(shown.alerts.max()):,} at most"
    )
    if shown.cap is None:
        return f"{told}. No cap is set."
    return f"{told}; above the cap of {shown.cap:,} on {shown.days_above:,} of them."


def _warning(outcome: Outcome) -> str:
    """What it means that cases of the report took part in the fit."""
    used = outcome.taught_share + outcome.calibrated_share
    return (
        f"{share(used)} of these cases took part in the fit ("
        f"{share(outcome.taught_share)} were learnt from, "
        f"{share(outcome.calibrated_share)} set the cut). What is seen on them looks "
        "better than it will be on new cases; pass cases that the fit did not see"
    )


def _rendered(told: Parts) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            f"a report needs jinja2: pip install 'rarecorrect[report]' ({error})"
        ) from error
    folder = files("rarecorrect.report")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (
        folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
    template = environment.from_string(folder.joinpath("page.html").read_text("utf-8"))
    page = template.render(
        style=style,
        script=script,
        style_hash=_digest(style),
        script_hash=_digest(script),
        counted=counted,
        **told,
    )
    return page.encode("utf-8", "replace").decode()  # no half characters of names


def _digest(text: str) -> str:
    """Of a style or script that may run: nothing else in the page may."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
