"""What one pass over the rows of a fit leaves of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.background import MOST_NUMBERS, Background, Reservoir
from rarecorrect.calibration import Terms
from rarecorrect.certify import sidak_level
from rarecorrect.explain import Usual
from rarecorrect.features import Reading
from rarecorrect.hash_sample import LARGEST_HASH, HashSample, row_hashes
from rarecorrect.learning import FittingRows
from rarecorrect.ledger import LedgerEntry
from rarecorrect.moments import Moments
from rarecorrect.roles import Roles, Side
from rarecorrect.row_mark import RowMark
from rarecorrect.row_shelf import RowShelf
from rarecorrect.rulebook import RuleBook
from rarecorrect.streaming import room
from rarecorrect.streaming.calibrated import Calibrated
from rarecorrect.streaming.room import calibration_sample, offer
from rarecorrect.training_rows import row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


class BlockFit:
    """What one pass leaves of all rows: counts, moments, samples.

    Which part a row has, and whether it is kept, depends on its number, its labels and
    the seed alone.

    Parameters
    ----------
    terms : Terms
    shelf : RowShelf
        For rows that calibrate, until there are rules.
    fraction : float or "auto", default="auto"
        Share of right decisions that may calibrate; ``"auto"``: half.
    linear : bool, default=True
        Whether rules are learnt from moments.
    stratified : bool, default=False
        Whether classes or segments are certified one by one.

    Examples
    --------
    >>> rng, terms = np.random.default_rng(0), Terms.checked(max_damage=0.01)
    >>> Z, labels, y = rng.normal(size=(999, 2)), np.zeros(999), np.arange(999) % 10 < 1
    >>> with RowShelf() as shelf:
    ...     seen = BlockFit(terms, shelf)
    ...     seen.add(0, Reading(labels, None, Z), y.astype(float), Side(), None)
    >>> seen.n_rows, seen.n_right, seen.n_errors
    (999, 899, 100)
    """

    def __init__(
        self,
        terms: Terms,
        shelf: RowShelf,
        *,
        fraction: float | str = "auto",
        linear: bool = True,
        stratified: bool = False,
    ) -> None:
        self.terms, self.shelf = terms, shelf
        self.n_rows = self.n_right = 0
        self.strata: dict[Hashable, None] = {}
        share = 0.5 if fraction == "auto" else float(fraction)
        self._limit = min(LARGEST_HASH, int(share * 2**64))
        self._calibration = calibration_sample(terms, stratified=stratified)
        self._most_aside = 2 * self._calibration.most
        self._traffic: HashSample | None = None
        if terms.alert_budget is not None and terms.alert_budget.rate is not None:
            self._traffic = HashSample(self._calibration.most)
        self._errors: HashSample
        self._background: HashSample
        self._linear = linear
        self._moments: dict[Hashable, Moments] = {}

    def calibrating(self, start: int, right: Mask, side: Side) -> Mask:
        """Right decisions that may calibrate, and teach nothing.

        Parameters
        ----------
        start : int
            Number of the first row.
        right : ndarray of bool of shape (n_rows,)
            Whether the legacy model is right.
        side : Side

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        if side.calibration_mask is not None:
            self._limit = LARGEST_HASH  # the mask says it all
            return np.asarray(right & side.calibration_mask)
        hashes = row_hashes(start, right.size, self.terms.seed)
        return np.asarray(right & (hashes < np.uint64(self._limit)))

    def add(
        self, start: int, reading: Reading, y: Array, side: Side, strata: Array | None
    ) -> None:
        """Take in a chunk.

        Parameters
        ----------
        start : int
            Number of its first row.
        reading : Reading
        y : ndarray of shape (n_rows,)
            True labels.
        side : Side
        strata : ndarray of shape (n_rows,) or None
            Class or segment of every row, where each is certified by itself.

        Raises
        ------
        ValueError
            For rows to learn from that are not finite.
        """
        labels, Z, n = reading.labels, reading.features, len(y)
        if start == 0:
            self._make_room(reading)
        right = np.asarray(labels == y)
        calibrates = self.calibrating(start, right, side)
        _check_finite(Z, ~calibrates, start)
        self.n_rows += n
        self.n_right += int(right.sum())
        columns = {"row": np.arange(start, start + n), "labels": labels}
        if strata is not None:
            columns["strata"] = strata
            self.strata.update(dict.fromkeys(np.unique(strata).tolist()))
        hashes = row_hashes(start, n, self.terms.seed)
        self._put_aside(np.flatnonzero(calibrates), hashes, Z, strata, columns)
        self._learn(np.flatnonzero(right & ~calibrates), hashes, Z, labels)
        wrong = np.flatnonzero(~right)
        columns |= {"Z": Z, "y": y}
        if side.case_id is not None:
            columns["case_id"] = side.case_id
        offer(self._errors, wrong, hashes, y, columns)
        if self._traffic is not None:
            mask = side.calibration_mask
            alike = wrong if mask is None else wrong[mask[wrong]]
            offer(self._traffic, alike, hashes, None, {})

    @property
    def n_errors(self) -> int:
        """Errors that are kept to learn from."""
        found = self._errors.columns()
        return len(found["y"]) if found else 0

    @property
    def n_background(self) -> int:
        """Right decisions that are learnt from."""
        if self._linear:
            return round(sum(m.weight for m in self._moments.values()))
        return len(self._sample()[1])

    def fitting_rows(self, *, keep_errors: bool) -> FittingRows:
        """What rules are learnt from.

        Parameters
        ----------
        keep_errors : bool

        Returns
        -------
        FittingRows
            The sample of right decisions first, then errors in the order of the rows.
        """
        sample, sample_labels = self._sample()
        errors = self._errors.columns()
        n = len(sample)
        if not errors:
            right = np.arange(n)
            return FittingRows(sample, sample_labels, sample_labels, right, right[:0])
        m = len(errors["y"])
        beside = {
            name: None
            if name not in errors
            else np.concatenate([np.repeat(errors[name][:1], n), errors[name]])
            for name in ("strata", "case_id")
        }
        return FittingRows(
            Z=np.concatenate([sample, errors["Z"]]),
            y=np.concatenate([sample_labels, errors["y"]]),
            labels=np.concatenate([sample_labels, errors["labels"]]),
            right=np.arange(n),
            errors=np.arange(n, n + m),
            keep_errors=keep_errors,
            whole=self._moments or None,
            **beside,
        )

    def calibrated(self, book: RuleBook, *, most_kept: int) -> Calibrated:
        """Score the rows that were put aside, and certify.

        Parameters
        ----------
        book : RuleBook
            The rules just learnt.
        most_kept : int
            Rows of the reservoir; 0: none.

        Returns
        -------
        Calibrated
        """
        kept = self._calibration.columns()
        if not kept:
            nothing = np.empty(0)
            return Calibrated(
                np.empty(0, dtype=np.intp), nothing, nothing, None, [], None
            )
        n, hashes = kept["row"].size, kept["hash"]
        drawn = np.full(n, most_kept > 0)
        if 0 < most_kept < n:
            drawn = hashes <= np.partition(hashes, most_kept - 1)[most_kept - 1]
        labels, strata = kept["labels"], kept.get("strata")
        scores, keys = np.empty((2, n))
        mark, reservoir_rows = RowMark(), []
        for part, Z in self.shelf.blocks(kept["place"]):
            own = None if strata is None else strata[part]
            scores[part] = book.decide(Z, labels[part], own).score
            keys[part] = row_keys(Z)
            mark.add(Z)
            reservoir_rows.append(Z[drawn[part]])
        reservoir = None
        if most_kept:
            own = None if strata is None else strata[drawn]
            rows = np.concatenate(reservoir_rows)
            reservoir = Reservoir(rows, labels[drawn], own, None, None, mark.digest)
        entries = self._entries(book, scores, kept, mark.digest)
        return Calibrated(kept["row"], scores, keys, strata, entries, reservoir)

    def background(
        self, *, origin: str, reservoir: Reservoir | None, robust: bool
    ) -> Background | None:
        """What the book keeps of right decisions, for ``ErrorCorrector.add``.

        Parameters
        ----------
        origin : str
        reservoir : Reservoir or None
        robust : bool
            As in :meth:`Background.from_rows <rarecorrect.background.Background>`.

        Returns
        -------
        Background or None
        """
        sample, labels = self._sample()
        kept: dict[str, Any] = {"origin": origin, "reservoir": reservoir}
        if self._moments:
            return Background.from_whole(self._moments, sample, labels, **kept)
        rows = np.arange(len(sample))
        return Background.from_rows(
            sample, labels, rows, robust=robust, seed=self.terms.seed, **kept
        )

    def usual(self) -> Usual:
        """Means of the right decisions that were learnt from, for explanations."""
        if not self._moments:
            return Usual.of(*self._sample())
        names = sorted(self._moments)  # type: ignore[type-var]
        found = [self._moments[name] for name in names]
        counts = np.array([round(moments.weight) for moments in found], dtype=np.intp)
        return Usual(np.array(names), counts, np.array([m.mean for m in found]))

    def taught(self) -> FloatArray:
        """Keys of the right decisions in the sample; of the others none are kept."""
        return row_keys(self._sample()[0])

    def roles(self, calibrated: Calibrated) -> Roles:
        """Who did what, as far as single rows are known.

        Parameters
        ----------
        calibrated : Calibrated

        Returns
        -------
        Roles
        """
        nothing = np.empty(0, dtype=np.intp)
        level = sidak_level(self.terms.first_level, max(1, len(self.strata)))
        return Roles(
            nothing,
            nothing,
            calibrated.rows,
            nothing,
            nothing,
            n_possible=calibrated.largest,
            level=level,
        )

    def _make_room(self, reading: Reading) -> None:
        width = max(1, reading.features.shape[1])
        self._background = HashSample(
            max(2, min(room.MOST_BACKGROUND, room.MOST_KEPT // width))
        )
        self._errors = HashSample(
            max(1, min(room.MOST_ERRORS, room.MOST_KEPT // width))
        )
        # one label may still come that the model has not said so far: one more
        self._n_labels = MOST_NUMBERS // width**2 - 1
        self._empty = reading.features[:0], reading.labels[:0]

    def _put_aside(
        self,
        rows: Indices,
        hashes: npt.NDArray[np.uint64],
        Z: Array,
        strata: Array | None,
        columns: dict[str, Array],
    ) -> None:
        kinds = None if strata is None else strata[rows]
        kept = self._calibration.wanted(hashes[rows], kinds)
        rows, kinds = rows[kept], None if kinds is None else kinds[kept]
        if not rows.size:
            return
        own = {name: values[rows] for name, values in columns.items()}
        own["place"] = self.shelf.put(Z[rows])
        self._calibration.add(hashes[rows], kinds, **own)
        if len(self.shelf) > self._most_aside:
            places = self._calibration.columns()["place"]
            places[:] = self.shelf.keep(places)  # in the sample
            self._most_aside = 2 * max(self._calibration.most, places.size)

    def _learn(
        self, rows: Indices, hashes: npt.NDArray[np.uint64], Z: Array, labels: Array
    ) -> None:
        offer(self._background, rows, hashes, None, {"Z": Z, "labels": labels})
        if not self._linear:
            return
        names, codes = np.unique(labels[rows], return_inverse=True)
        for name in names.tolist():
            self._moments.setdefault(name, Moments.empty(Z.shape[1]))
        if len(self._moments) > self._n_labels:  # learnt from the sample instead
            self._linear, self._moments = False, {}
            return
        found = Moments.by_code(Z[rows], codes, names.size)
        for name, moments in zip(names.tolist(), found, strict=True):
            self._moments[name] = self._moments[name].merge(moments)

    def _sample(self) -> tuple[Array, Array]:
        """Right decisions with the smallest hashes: in random order."""
        found = self._background.columns()
        if not found:
            return self._empty
        order = np.argsort(found["hash"])
        return found["Z"][order], found["labels"][order]

    def _entries(
        self, book: RuleBook, scores: FloatArray, kept: Mapping[str, Array], mark: str
    ) -> list[LedgerEntry]:
        reading = Reading(kept["labels"], None, np.empty((scores.size, 0)))
        entries = []
        if self.terms.max_damage is not None:
            rows, strata = np.arange(scores.size), kept.get("strata")
            entries.append(
                self.terms.damage_entry(
                    book, reading, scores, rows, strata=strata, side=Side(), mark=mark
                )
            )
        if self._traffic is not None:
            # an error that is learnt from: its score says nothing, so it is an alert
            limits = [
                self._limit,
                *self._calibration.limits.values(),
                *self._traffic.limits.values(),
            ]
            limit = np.uint64(min(limits))
            wrong = self._traffic.columns().get("hash", np.empty(0, dtype=np.uint64))
            alerts = np.full(int((wrong <= limit).sum()), np.inf)
            traffic = np.concatenate([scores[kept["hash"] <= limit], alerts])
            terms = replace(self.terms, max_damage=None)
            entries += terms.traffic_entries(
                book, reading, traffic, side=Side(), mark=mark
            )
        return entries


def _check_finite(Z: Array, learnt: Mask, start: int) -> None:
    """Refuse rows to learn from that are not finite.

    A sum over a row is finite if all of it is, but for sums that overflow; a product
    gives it three times as fast.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        sums = Z @ np.ones(Z.shape[1], dtype=Z.dtype)
    doubtful = np.flatnonzero(learnt & ~np.isfinite(sums))
    bad = doubtful[~np.isfinite(Z[doubtful]).all(axis=1)]
    if bad.size:
        column = int(np.flatnonzero(~np.isfinite(Z[bad[0]]))[0])
        raise ValueError(
            f"row {start + int(bad[0]):,} holds {Z[bad[0], column]} in feature "
            f"{column}: infinite values, and missing ones where the first rows have "
            "none, cannot be learnt from; fill or clip them, or put the rows in random "
            "order"
        )
