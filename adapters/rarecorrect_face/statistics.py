"""From draws to statements: means, intervals, comparisons, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.metrics import clopper_pearson
from rarecorrect_face.methods import PEER, PRODUCT
from rarecorrect_face.plan import Plan
from rarecorrect_face.protocol import ALL, NULL, RETRAINED, WITHOUT, retention_column
from rarecorrect_face.result import CaseResult

Array = npt.NDArray[Any]

GAIN, RETENTION = "gain at retention", "retention at gain"
CERTIFIED, MACRO_F1 = "certified gain", "macro-F1"
MEAN = "mean"
BEFORE, AGAIN = "before", "retrained network"
LEAST_GAIN = 0.10
_REPETITIONS = 4000
_CELL = ["copies", "k", "class"]


def bootstrap_means(label: str, hits: Array) -> npt.NDArray[np.float64]:
    """Mean of a table of draws x test errors under a two-level bootstrap.

    Draws and test errors are both resampled: a result must hold for other labelled
    errors and for other faces to come.  What is drawn depends on the class and on the
    two lengths only, so methods on the same faces are compared pair by pair.

    Parameters
    ----------
    label : str
    hits : array of bool of shape (n_draws, n_errors)

    Returns
    -------
    ndarray

    Examples
    --------
    >>> means = bootstrap_means("happy", np.eye(4))
    >>> bool(abs(means.mean() - 0.25) < 0.01)
    True
    """
    n_draws, n_errors = hits.shape
    draws, errors = (
        _weights(label, n_draws, "draws"),
        _weights(label, n_errors, "faces"),
    )
    return np.asarray(np.einsum("rc,rc->r", draws @ hits.astype(float), errors))


@lru_cache(maxsize=64)
def _weights(*key: Any) -> Array:
    rng = np.random.default_rng(crc32(repr(key).encode()))
    n = key[1]
    return np.asarray(rng.multinomial(n, [1 / n] * n, size=_REPETITIONS) / n)


def readings(results: Sequence[CaseResult], plan: Plan) -> pd.DataFrame:
    """All four readings as one tidy table.

    Parameters
    ----------
    results : sequence of CaseResult
    plan : Plan

    Returns
    -------
    DataFrame
        ``reading``, ``level``, ``copies``, ``k``, ``class``, ``method``, ``mean``
        over draws and seeds, ``error`` its standard error, ``low`` and ``high``
        (nominal 95 % of gains without copies: exact for a class, over the test faces;
        bootstrap for the mean over classes), ``n_draws``, ``n_test_errors``.
    """
    frame = rows_of(results)
    run = frame[frame["certified"].notna()]
    parts = []
    for damage in plan.damages:
        rows = run[run["damage"] == damage]
        parts += [
            _reading(rows, GAIN, "curve_gain", 1 - damage),
            _reading(rows, CERTIFIED, "certified_gain", damage),
            _reading(rows, MACRO_F1, "macro_f1_after", damage),
            *(_fixed(run, results, name, damage) for name in (BEFORE, AGAIN)),
        ]
    any_damage = run[run["damage"] == plan.damages[0]]
    parts += [
        _reading(any_damage, RETENTION, retention_column(gain), gain)
        for gain in plan.gains
    ]
    table = pd.concat(parts, ignore_index=True)
    table = _with_exact_intervals(table)
    return pd.concat([table, _class_means(table, results)], ignore_index=True)


def rows_of(results: Sequence[CaseResult]) -> pd.DataFrame:
    """Rows of all results as one table."""
    return pd.DataFrame([row for result in results for row in result.rows])


def comparisons(results: Sequence[CaseResult], plan: Plan) -> pd.DataFrame:
    """The product beside its peer and beside the retrained network, over all classes.

    Parameters
    ----------
    results : sequence of CaseResult
    plan : Plan

    Returns
    -------
    DataFrame
        ``reading``, ``damage``, ``k``, ``other``, ``gain``, ``other_gain``, their
        ``difference`` with ``low`` and ``high`` (paired bootstrap, 95 %), ``share``:
        the gain as a share of the other's.
    """
    found = []
    for k in dict.fromkeys(key[0] for result in results for key in result.hits):
        for damage in plan.damages:
            for reading in ("curve", "certified"):
                for other in (PEER, RETRAINED):
                    keys = [(k, damage, name, reading) for name in (PRODUCT, other)]
                    pairs = list(_pairs(results, keys))
                    if pairs:
                        head = {"reading": reading, "damage": damage, "k": k}
                        found.append({**head, "other": other, **_compared(pairs)})
    return pd.DataFrame(found)


def null_verdicts(results: Sequence[CaseResult], found: pd.DataFrame) -> pd.DataFrame:
    """Whether gains are above those of permuted error labels.

    Above: the lower 95 % end of the gain lies above the largest gain of all
    permutations, and the gain is 0.10 or more.

    Parameters
    ----------
    results : sequence of CaseResult
    found : DataFrame
        Their :func:`readings`.

    Returns
    -------
    DataFrame
        ``class``, ``damage``, ``k``, ``method``, ``gain``, ``low``, ``null_mean``,
        ``null_limit``, ``n_permutations``, ``above``.
    """
    frame = rows_of(results)
    null = frame[frame["method"] == NULL]
    gains = found[(found["reading"] == GAIN) & (found["copies"] == WITHOUT)]
    verdicts = []
    for (label, damage, k), rows in _groups(null, ["class", "damage", "k"]):
        same = (gains["class"] == label) & (gains["k"] == k)
        same &= np.isclose(gains["level"], 1 - damage)
        limit = float(rows["curve_gain"].max())
        for (method, gain, low), _ in _groups(gains[same], ["method", "mean", "low"]):
            verdicts.append(
                {
                    "class": label,
                    "damage": damage,
                    "k": k,
                    "method": method,
                    "gain": gain,
                    "low": low,
                    "null_mean": float(rows["curve_gain"].mean()),
                    "null_limit": limit,
                    "n_permutations": len(rows),
                    "above": bool(low > limit and gain >= LEAST_GAIN),
                }
            )
    return pd.DataFrame(verdicts)


def not_above(verdicts: pd.DataFrame, method: str = PRODUCT) -> list[str]:
    """Classes where a method is not above the null, but the retrained network is.

    Parameters
    ----------
    verdicts : DataFrame
        Of :func:`null_verdicts`.
    method : str

    Returns
    -------
    list of str
        With all errors learnt, at any budget.
    """
    if verdicts.empty:
        return []
    whole = verdicts[verdicts["k"] == ALL]
    above = whole.pivot_table(
        index=["class", "damage"], columns="method", values="above", aggfunc="all"
    )
    if not {method, RETRAINED} <= set(above.columns):
        return []
    behind = above[above[RETRAINED].astype(bool) & ~above[method].astype(bool)]
    return [f"{label} at {damage:g}" for label, damage in behind.index]


def _reading(
    rows: pd.DataFrame, reading: str, column: str, level: float
) -> pd.DataFrame:
    grouped = rows.groupby([*_CELL, "method"], sort=False)
    found = grouped.agg(
        mean=(column, "mean"),
        error=(column, "sem"),
        n_draws=(column, "size"),
        n_test_errors=("n_test_errors", "max"),
    )
    return found.reset_index().assign(reading=reading, level=level)


def _fixed(
    run: pd.DataFrame, results: Sequence[CaseResult], name: str, damage: float
) -> pd.DataFrame:
    """Macro-F1 of a network that nothing corrects, in every cell."""
    fact = {BEFORE: "macro_f1_before", AGAIN: "macro_f1_retrained"}[name]
    cells = run[["seed", *_CELL, "n_test_errors"]].drop_duplicates()
    values = {
        (r.seed, copies, r.label): r.facts[f"{fact}_{copies}"]
        for r in results
        for copies in cells["copies"].unique()
    }
    keys = zip(cells["seed"], cells["copies"], cells["class"], strict=True)
    filled = cells.assign(method=name, value=[values[key] for key in keys])
    return _reading(filled[filled["value"].notna()], MACRO_F1, "value", damage)


def _with_exact_intervals(table: pd.DataFrame) -> pd.DataFrame:
    is_gain = table["reading"].isin([GAIN, CERTIFIED]) & (table["copies"] == WITHOUT)
    ends = [
        clopper_pearson(round(mean * n), int(n)) if wanted else (np.nan, np.nan)
        for mean, n, wanted in zip(
            table["mean"], table["n_test_errors"], is_gain, strict=True
        )
    ]
    low, high = zip(*ends, strict=True)
    return table.assign(low=low, high=high)


def _class_means(table: pd.DataFrame, results: Sequence[CaseResult]) -> pd.DataFrame:
    cell = ["reading", "level", "copies", "k", "method"]
    n_classes = table["class"].nunique()
    found: list[dict[str, Any]] = []
    for key, rows in _groups(table, cell):
        # only where every class is there, or the means would not compare
        if len(rows) != n_classes or n_classes == 1:
            continue
        reading, level, copies, k, method = key
        low = high = np.nan
        if reading in (GAIN, CERTIFIED) and copies == WITHOUT:
            damage = level if reading == CERTIFIED else 1 - level
            low, high = _mean_interval(results, k, damage, method, reading)
        found.append(
            dict(zip(cell, key, strict=True))
            | {
                "class": MEAN,
                "mean": rows["mean"].mean(),
                "low": low,
                "high": high,
                "n_draws": rows["n_draws"].min(),
                "n_test_errors": rows["n_test_errors"].sum(),
            }
        )
    return pd.DataFrame(found)


def _mean_interval(
    results: Sequence[CaseResult], k: str, damage: float, method: str, reading: str
) -> tuple[float, float]:
    by = "curve" if reading == GAIN else "certified"
    tables = []
    for result in results:
        for key, hits in result.hits.items():
            if key[0] == k and key[2:] == (method, by) and np.isclose(key[1], damage):
                tables.append(bootstrap_means(result.label, hits))
    low, high = np.quantile(np.mean(tables, axis=0), [0.025, 0.975])
    return float(low), float(high)


def _pairs(
    results: Sequence[CaseResult], keys: Sequence[tuple[str, float, str, str]]
) -> Iterator[tuple[str, Array, Array]]:
    for result in results:
        tables = [result.hits.get(key) for key in keys]
        if tables[0] is None or tables[1] is None:
            continue
        # the same draws of both; what learns nothing has one that serves for all
        n = min(len(t) for t in tables if t is not None)
        if keys[1][2] == RETRAINED:
            yield result.label, tables[0], np.repeat(tables[1], len(tables[0]), axis=0)
        else:
            yield result.label, tables[0][:n], tables[1][:n]


def _compared(pairs: Sequence[tuple[str, Array, Array]]) -> dict[str, float]:
    gain = float(np.mean([mine.mean() for _, mine, _ in pairs]))
    other = float(np.mean([theirs.mean() for _, _, theirs in pairs]))
    differences = [
        bootstrap_means(label, mine.astype(float) - theirs)
        for label, mine, theirs in pairs
    ]
    low, high = np.quantile(np.mean(differences, axis=0), [0.025, 0.975])
    return {
        "gain": gain,
        "other_gain": other,
        "difference": gain - other,
        "low": float(low),
        "high": float(high),
        "share": gain / other if other else float("nan"),
    }


def _groups(
    frame: pd.DataFrame, by: list[str]
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    # pandas says only that the keys are hashable
    yield from frame.groupby(by, sort=False)
