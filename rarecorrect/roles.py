"""Who does what: which rows are learnt from, and which calibrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import Budget, budget_of, rows_needed, sidak_level

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_LARGEST_SHARE = 0.8
_RESERVE = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Positions of rows by what they do; no row calibrates and does anything else.

    Attributes
    ----------
    errors : ndarray of int
        Wrong decisions that are learnt from: all of them, or with groups those of the
        groups that do not calibrate.
    background : ndarray of int
        Right decisions that are learnt from.
    calibration : ndarray of int
        Right decisions that calibrate and do nothing else.
    apart : ndarray of int
        Wrong decisions of groups that calibrate: they do nothing, because a group with
        errors must calibrate as often as any other, or the certificate speaks of
        groups without errors only.
    traffic : ndarray of int
        Calibration rows and errors in the share that traffic has of them: what an
        alert budget calibrates on.
    n_possible : int
        Units (rows or groups) that could calibrate the largest stratum at the most.
    level : float
        Confidence level of every stratum.

    Examples
    --------
    Half of the right decisions calibrate, and every error is learnt from:

    >>> right, unseen = np.arange(200) >= 6, np.ones(200, dtype=bool)
    >>> plan, rng = SplitPlan(0.05, 0.95), np.random.default_rng(0)
    >>> roles = plan.roles(right, unseen=unseen, strata=None, side=Side(), rng=rng)
    >>> roles.errors.tolist(), roles.background.size, roles.calibration.size
    ([0, 1, 2, 3, 4, 5], 97, 97)
    """

    errors: Indices
    background: Indices
    calibration: Indices
    apart: Indices
    traffic: Indices
    n_possible: int = 0
    level: float = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Columns beside `X` and `y`, each of shape (n_rows,) or None.

    Attributes
    ----------
    groups : ndarray or None
        Customer, terminal ...: rows of one are not independent.
    segment : ndarray or None
        Strata of ``per="segment"``.
    time : ndarray or None
        Days as numbers, or datetime64.
    case_id : ndarray or None
        Ids of the cases, kept with the rules.
    calibration_mask : ndarray of bool or None
        Rows that may calibrate.
    calibration_weight : ndarray of float or None
        Known inverse sampling rates.

    Examples
    --------
    >>> Side(time=np.array([3.0, 1.0, 2.0])).order(3).tolist()
    [1, 2, 0]
    """

    groups: Array | None = None
    segment: Array | None = None
    time: Array | None = None
    case_id: Array | None = None
    calibration_mask: Array | None = None
    calibration_weight: Array | None = None

    def order(self, n: int) -> Indices:
        """Positions from the oldest row to the latest.

        Parameters
        ----------
        n : int
            Number of rows; without `time` they are in order.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        if self.time is None:
            return np.arange(n)
        return np.asarray(np.argsort(self.time, kind="stable"))


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How right decisions are divided into background and calibration rows.

    Attributes
    ----------
    max_damage : float, mapping from label to float or None
        Budget in (0, 1), or one for each stratum; ``None``: no damage is to be
        certified.
    confidence_level : float
        The level that will really be spent, in (0, 1).
    fraction : float or "auto"
        Share of right decisions that calibrate.  ``"auto"``: half, but at least 1.5
        times the rows needed in every stratum, at most 80 %; none where nothing could
        be certified.
    shuffle : bool
        ``False``: the last rows calibrate, in the order of time if there is one.

    Examples
    --------
    >>> right, unseen = np.arange(200) >= 6, np.ones(200, dtype=bool)
    >>> plan, rng = SplitPlan(0.05, 0.95, shuffle=False), np.random.default_rng(0)
    >>> roles = plan.roles(right, unseen=unseen, strata=None, side=Side(), rng=rng)
    >>> roles.background.max() < roles.calibration.min()
    np.True_
    """

    max_damage: Budget | None
    confidence_level: float
    fraction: float | str = "auto"
    shuffle: bool = True

    def roles(
        self,
        right: npt.NDArray[np.bool_],
        *,
        unseen: npt.NDArray[np.bool_],
        strata: Array | None,
        side: Side,
        rng: np.random.Generator,
    ) -> Roles:
        """Roles of all rows.

        Parameters
        ----------
        right : ndarray of bool of shape (n_rows,)
            Whether the legacy model is right.
        unseen : ndarray of bool of shape (n_rows,)
            Whether it was not fitted on the row; if some were, they serve as
            background and all others calibrate.
        strata : ndarray of shape (n_rows,) or None
            Class or segment of every row, where each is certified by itself.
        side : Side
        rng : Generator

        Returns
        -------
        Roles
        """
        usable = unseen.copy()
        if side.groups is not None:
            usable &= ~np.isin(side.groups, side.groups[~unseen])
        if side.calibration_mask is not None:
            usable &= side.calibration_mask
        free = right & usable
        units = np.arange(right.size) if side.groups is None else side.groups
        kinds = np.zeros(right.size, dtype=int) if strata is None else strata
        sizes = {
            kind: np.unique(units[free & (kinds == kind)]).size
            for kind in np.unique(kinds[free]).tolist()
        }
        # a model fitted here has rows of its own for a background; groups must also
        # leave errors to learn from
        whole = side.calibration_mask is not None or not (
            unseen.all() or side.groups is not None
        )
        calibrates = (
            free if whole else self._part_of(free, units, kinds, sizes, side, rng)
        )
        taken = np.isin(units, units[calibrates])
        largest = max(sizes.values(), default=0)
        return Roles(
            errors=np.flatnonzero(~right & ~taken),
            background=np.flatnonzero(right & ~taken),
            calibration=np.flatnonzero(calibrates),
            apart=np.flatnonzero(~right & taken),
            traffic=self._traffic(calibrates, free, usable, units, side, rng),
            n_possible=largest if whole else int(_LARGEST_SHARE * largest),
            level=self._level(sizes),
        )

    def _part_of(
        self,
        free: npt.NDArray[np.bool_],
        units: Array,
        kinds: Array,
        sizes: dict[Any, int],
        side: Side,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.bool_]:
        ranked = _last_first(units, side.order(free.size)[::-1], free)
        n = len(ranked)
        place = (np.arange(n) + 0.5) / max(1, n)
        if self.shuffle:
            ranked = rng.permutation(np.sort(ranked))
            place = _place_in_stratum(ranked, units[free], kinds[free])
        chosen = ranked[place < self._share(sizes)][: max(0, n - 1)]
        return np.asarray(free & np.isin(units, chosen))

    def _traffic(
        self,
        calibrates: npt.NDArray[np.bool_],
        free: npt.NDArray[np.bool_],
        usable: npt.NDArray[np.bool_],
        units: Array,
        side: Side,
        rng: np.random.Generator,
    ) -> Indices:
        """Calibrating units, and units without a right decision at the same rate.

        Those were not drawn, since their errors are learnt from; traffic has them.
        """
        if side.calibration_mask is not None:
            return np.flatnonzero(usable)
        taken = np.isin(units, units[calibrates])
        names = np.unique(units[usable & ~np.isin(units, units[free])])
        if self.shuffle:
            share = _n_units(units[calibrates]) / max(1, _n_units(units[free]))
            drawn = names[rng.random(names.size) < share]
        else:  # as late as the calibrating units
            last = _last_seen(units, side.order(free.size))
            start = min(last[calibrates], default=free.size)
            drawn = np.unique(units[last >= start])
        return np.flatnonzero(taken | (np.isin(units, names) & np.isin(units, drawn)))

    def _level(self, sizes: dict[Any, int]) -> float:
        return sidak_level(self.confidence_level, max(1, len(sizes)))

    def _share(self, sizes: dict[Any, int]) -> float:
        if self.fraction != "auto":
            return float(self.fraction)
        if self.max_damage is None:
            return 0.5
        level = self._level(sizes)
        shares = [
            rows_needed(budget_of(self.max_damage, kind), level) / size
            for kind, size in sizes.items()
        ]
        possible = [share for share in shares if share <= _LARGEST_SHARE]
        if not possible:
            return 0.0
        return min(_LARGEST_SHARE, max(0.5, _RESERVE * max(possible)))


def held_out(
    y: Array,
    fraction: float,
    side: Side,
    *,
    shuffle: bool,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Rows that an unfitted legacy model is not fitted on.

    Every label gives the same share, up to less than a row, and on average exactly it:
    if rare labels were always fitted on, they would hardly calibrate, and the
    certificate would speak of the others.  Whole groups are held out where there are
    groups.  Without shuffling, the latest rows are held out.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        True labels.
    fraction : float
        Share of the rows, or of the groups, in (0, 1).
    side : Side
        Its `groups` and `time` count.
    shuffle : bool
    rng : Generator

    Returns
    -------
    ndarray of bool of shape (n_rows,)

    Examples
    --------
    >>> y = np.repeat([0, 1], 10)
    >>> out = held_out(y, 0.3, Side(), shuffle=True, rng=np.random.default_rng(0))
    >>> out[:10].sum(), out[10:].sum()
    (np.int64(3), np.int64(3))
    """
    if not shuffle:
        order = side.order(y.size)
        out = np.zeros(y.size, dtype=bool)
        out[order[y.size - int(fraction * y.size) :]] = True
        return out
    if side.groups is not None:
        names = rng.permutation(np.unique(side.groups))
        return np.asarray(np.isin(side.groups, names[: int(fraction * names.size)]))
    out = np.zeros(y.size, dtype=bool)
    for label in np.unique(y):
        inside = rng.permutation(np.flatnonzero(y == label))
        out[inside[: int(fraction * inside.size + rng.random())]] = True
    return out


def _n_units(units: Array) -> int:
    return int(np.unique(units).size)


def _last_seen(units: Array, order: Indices) -> Indices:
    """Of every row: the last place in `order` at which its unit is seen."""
    names, codes = np.unique(units, return_inverse=True)
    last = np.zeros(names.size, dtype=np.intp)
    last[codes[order]] = np.arange(order.size)  # the last one written stays
    return np.asarray(last[codes])


def _last_first(units: Array, order: Indices, free: npt.NDArray[np.bool_]) -> Array:
    """Units that occur in free rows, by the last time that they were seen."""
    listed = units[order][free[order]]
    _, first = np.unique(listed, return_index=True)
    return np.asarray(listed[np.sort(first)])


def _place_in_stratum(
    ranked: Array, units: Array, kinds: Array
) -> npt.NDArray[np.float64]:
    """Place of every unit within its stratum, in (0, 1): cut there, all give alike."""
    names, first = np.unique(units, return_index=True)
    kind = kinds[first][np.searchsorted(names, ranked)]
    place = np.empty(len(ranked))
    for label in np.unique(kind):
        inside = np.flatnonzero(kind == label)
        place[inside] = (np.arange(inside.size) + 0.5) / inside.size
    return place
