"""Which rules a retrained model still needs, and which it has made superfluous."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.multiclass import unique_labels

from rarecorrect.certify import check_share
from rarecorrect.features import Reading
from rarecorrect.inputs import strata_of
from rarecorrect.metrics import as_labels, clopper_pearson
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

NEEDED, RETIRE, UNCLEAR = "still needed", "retire", "cannot tell"


@dataclass(frozen=True, eq=False)
class Review:
    """What every active rule does for a new model; ``print`` it.

    Made by :func:`still_needed`.

    Attributes
    ----------
    frame : DataFrame
        One row per active rule, by name.  ``verdict``; ``reason``.  On the decisions of
        the new model: ``repairs`` (wrong, then right; for a flag: wrong, and flagged),
        ``breaks`` (right, then changed or flagged), ``still_wrong`` (changed from wrong
        to wrong).  ``repaired_before``: repairs on the decisions of the old model;
        ``right_by_itself``: those of them that the new model gets right.  Shares, each
        with ``_low`` and ``_high``, its Clopper-Pearson interval: ``gain``, repairs of
        all errors of the new model; ``damage``, breaks of all its right decisions;
        ``better``, repairs of repairs and breaks; ``left``, repairs of the rows
        repaired for either model.  NaN where there is nothing to count.
    n_rows : int
    n_wrong_before, n_wrong : int
        Errors of the old and of the new model on these rows.
    confidence_level : float
        Of every interval by itself.

    Examples
    --------
    >>> frame = pd.DataFrame({"verdict": ["retire"], "reason": ["..."]}, index=["to 1"])
    >>> Review(frame, 100, 20, 3, 0.95).to_retire
    ['to 1']
    """

    frame: pd.DataFrame
    n_rows: int
    n_wrong_before: int
    n_wrong: int
    confidence_level: float

    @property
    def to_retire(self) -> list[str]:
        """Names of the rules to retire, see ``RuleBook.with_state``."""
        return self.frame.index[self.frame["verdict"] == RETIRE].tolist()

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; shares of nothing become None.

        Returns
        -------
        dict
            "rules": one dict per rule with its "name"; and the counts.
        """
        records = self.frame.rename_axis("name").reset_index().to_dict("records")
        rules = [
            {str(k): None if _is_nan(v) else v for k, v in record.items()}
            for record in records
        ]
        counts = ("n_rows", "n_wrong_before", "n_wrong", "confidence_level")
        return {**{name: getattr(self, name) for name in counts}, "rules": rules}

    def __str__(self) -> str:
        head = (
            f"on {self.n_rows:,} rows the old model is wrong {self.n_wrong_before:,} "
            f"times, the new one {self.n_wrong:,} times"
        )
        lines = [
            f"{name}: {row.verdict}; {row.reason}"
            for name, row in zip(self.frame.index, self.frame.itertuples(), strict=True)
        ]
        return "\n".join([head, *(lines or ["no rule is active"])])


def still_needed(
    book: RuleBook,
    reading: Reading,
    new_labels: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    per: str | None = None,
    segment: Array | None = None,
    confidence_level: float = 0.95,
    most_left: float = 0.2,
    breaks_per_repair: float = 1.0,
) -> Review:
    r"""Judge every active rule on the decisions of a retrained model.

    A rule goes on reading what it was learnt on, the features of the old model, but
    acts on the decisions of the new one: it fires where it fired before if the new
    model's label is one that it may change, under the thresholds in force.  Rules
    compete as in service.  Let `R` and `B` be the decisions of the new model that a
    rule repairs and breaks, and `U` the rows that it repairs for the old model, the new
    one or both; intervals are Clopper-Pearson's, two-sided.

    - "still needed": the interval of `R / (R + B)` lies above `1 / (1 + c)`, where `c`
      is `breaks_per_repair`: the repairs are clearly worth their breaks.  With `c = 1`
      at 95 % six repairs without a break are enough, five are not.
    - else "retire": the interval of `R / U` lies below `most_left`, since the new model
      leaves hardly anything of what the rule was there for.  At 95 % and one fifth that
      takes 17 rows, if nothing is left.
    - else "cannot tell": too few rows, or repairs that are left but cost more breaks.

    A rule whose repairs are not worth their breaks is called needed with a probability
    of at most :math:`\delta / 2`, and one with `most_left` of its repairs left or more
    is retired with at most as much, :math:`\delta` being one less `confidence_level`.
    With many rules that is so for each, not for all at once.  Breaks alone retire no
    rule: a budget was granted for them, and the new model has not changed their price.

    Parameters
    ----------
    book : RuleBook
    reading : Reading
        Of the old model: its labels, and the features that rules read.
    new_labels : array-like of shape (n_rows,)
        Decisions of the new model.
    y : array-like of shape (n_rows,)
        True labels.
    per : {None, "class", "segment"}, default=None
        What thresholds differ by; classes are those that the model in question decides.
    segment : ndarray of shape (n_rows,), optional
        With ``per="segment"``.
    confidence_level : float, default=0.95
        Of every interval, in (0, 1).
    most_left : float, default=0.2
        Share of its repairs, in (0, 1), that a rule may still have and be retired.
    breaks_per_repair : float, default=1.0
        Breaks that one repair may cost, above 0; where errors are rare and dear, such
        as fraud, several.

    Returns
    -------
    Review

    Raises
    ------
    ValueError
        For lengths that differ, labels of mixed types, numbers out of range, or rules
        without a threshold in force.

    Notes
    -----
    The rows must be new to both models and to the rules.  A retrained model is right on
    rows that it was trained on, so that every rule would look superfluous.

    A rule that is kept has no certificate around the new model: the right decisions
    are others.  Certify it there, or learn it anew on the new model's own features,
    which also spares running the old one.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12:153 (1947), doi:10.1007/BF02295996.

    Examples
    --------
    The old model says 0 everywhere; the new one has learnt class 2, but not class 1:

    >>> from rarecorrect.certify import certified_threshold
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.ledger import LedgerEntry
    >>> from rarecorrect.tail_scale import TailScale
    >>> rng = np.random.default_rng(0)
    >>> y = rng.permutation(np.repeat([0, 1, 2], [940, 30, 30]))
    >>> Z = rng.normal(size=(1000, 2)) + 9 * np.eye(3)[y, 1:]
    >>> scores, book = [], RuleBook()
    >>> for label in (1, 2):
    ...     used = (y == 0) | (y == label)
    ...     detector = FisherDetector().fit(Z[used], y[used] == label)
    ...     scale = TailScale.from_scores(detector.decision_function(Z[y == 0]))
    ...     book = book.extend(Rule(f"to {label}", label, detector, scale))
    >>> right = np.sort(book.decide(Z[y == 0], y[y == 0]).score)
    >>> found = {None: certified_threshold(right, 0.01)}
    >>> entry = LedgerEntry("damage", found, book.identities, "rows", 0.05, right)
    >>> reading = Reading(np.zeros(1000, dtype=int), None, Z)
    >>> new_labels = np.where(y == 2, 2, 0)
    >>> review = still_needed(book.certified_by(entry), reading, new_labels, y)
    >>> review.frame["verdict"].to_dict()
    {'to 1': 'still needed', 'to 2': 'retire'}
    """
    check_share(confidence_level, "confidence_level")
    check_share(most_left, "most_left")
    if not 0 < breaks_per_repair < math.inf:
        raise ValueError(f"breaks_per_repair must be above 0, got {breaks_per_repair}")
    if book.active and not book.certified:
        raise ValueError(
            "no threshold is in force for the rules of this book, so they do nothing "
            "for any model; certify them around the old model first: certify(X, y)"
        )
    true, after = as_labels(y, "y"), as_labels(new_labels, "new_labels")
    for name, labels in (("y", true), ("new_labels", after)):
        if len(labels) != len(reading.labels):
            raise ValueError(
                f"{name} has {len(labels)} rows, X has {len(reading.labels)}: pass one "
                "label per row"
            )
    unique_labels(reading.labels, after, true)  # refuses a mix of kinds
    old, new = (
        _Decided.of(book, labels, reading.features, true, per, segment)
        for labels in (reading.labels, after)
    )
    bar = _Bar(confidence_level, most_left, breaks_per_repair)
    active = book.active
    judged = [(i, rule) for i, rule in enumerate(book.rules) if rule in active]
    return Review(
        pd.DataFrame(
            [bar.record(_counts(rule, i, old, new)) for i, rule in judged],
            index=pd.Index([r.name for _, r in judged], dtype=object, name="rule"),
            columns=_COLUMNS,
        ),
        n_rows=len(true),
        n_wrong_before=int(old.wrong.sum()),
        n_wrong=int(new.wrong.sum()),
        confidence_level=confidence_level,
    )


_SHARES = ("gain", "damage", "better", "left")
_COUNTS = ("repairs", "breaks", "still_wrong", "repaired_before", "right_by_itself")
_COLUMNS = [
    *("verdict", "reason", *_COUNTS),
    *(f"{share}{end}" for share in _SHARES for end in ("", "_low", "_high")),
]


@dataclass(frozen=True, slots=True, eq=False)
class _Decided:
    """Decisions of one model, and the rule that fires on each."""

    true: Array
    wrong: Mask
    winner: npt.NDArray[np.intp]

    @classmethod
    def of(
        cls,
        book: RuleBook,
        labels: Array,
        Z: Array,
        true: Array,
        per: str | None,
        segment: Array | None,
    ) -> _Decided:
        winner = np.full(len(labels), -1, dtype=np.intp)
        rows, winners = book.fires(Z, labels, strata_of(labels, segment, per))
        winner[rows] = winners
        return cls(true, np.asarray(labels != true), winner)

    def repairs(self, rule: Rule, i: int) -> Mask:
        """Rows that a rule makes right; a flag does so by showing them to a person."""
        hit = (self.winner == i) & self.wrong
        if rule.action == "relabel":
            hit &= np.asarray(self.true == rule.to)
        return np.asarray(hit)


def _counts(rule: Rule, i: int, old: _Decided, new: _Decided) -> dict[str, int]:
    """What is counted of the `i`-th rule."""
    before, now = old.repairs(rule, i), new.repairs(rule, i)
    fires = new.winner == i
    masks = {
        "repairs": now,
        "breaks": fires & ~new.wrong,
        "still_wrong": fires & new.wrong & ~now,
        "repaired_before": before,
        "right_by_itself": before & ~new.wrong,
        "repaired_for_either": before | now,
        "n_wrong": new.wrong,
        "n_right": ~new.wrong,
    }
    return {name: int(mask.sum()) for name, mask in masks.items()}


@dataclass(frozen=True, slots=True)
class _Bar:
    """What a rule has to show."""

    confidence_level: float
    most_left: float
    breaks_per_repair: float

    def record(self, n: dict[str, int]) -> dict[str, Any]:
        """One row of the frame, from the counts of a rule."""
        found = {
            **self._share("gain", n["repairs"], n["n_wrong"]),
            **self._share("damage", n["breaks"], n["n_right"]),
            **self._share("better", n["repairs"], n["repairs"] + n["breaks"]),
            **self._share("left", n["repairs"], n["repaired_for_either"]),
        }
        verdict, reason = self._verdict(n, found)
        counts = {name: n[name] for name in _COUNTS}
        return {"verdict": verdict, "reason": reason, **counts, **found}

    def _share(self, name: str, count: int, of: int) -> dict[str, float]:
        low, high = clopper_pearson(count, of, self.confidence_level)
        share = count / of if of else math.nan
        return {name: share, f"{name}_low": low, f"{name}_high": high}

    def _verdict(self, n: dict[str, int], found: dict[str, float]) -> tuple[str, str]:
        """The verdict, and the numbers it rests on; NaN compares false."""
        enough = 1 / (1 + self.breaks_per_repair)
        either = n["repaired_for_either"]
        done = f"repairs {n['repairs']:,} and breaks {n['breaks']:,}"
        left = (
            f"{n['repairs']:,} of the {either:,} errors that it repairs for either "
            f"model are left to it ({_percent(found, 'left')})"
            if either
            else "it repairs nothing for either model"
        )
        if found["better_low"] > enough:
            return NEEDED, f"{done} ({_percent(found, 'better')} repairs)"
        if found["left_high"] < self.most_left:
            itself = (
                f"the new model gets {n['right_by_itself']:,} of its "
                f"{n['repaired_before']:,} former repairs right by itself"
            )
            return RETIRE, f"{left}; {itself}"
        if either + n["breaks"] == 0:
            return UNCLEAR, "repairs and breaks nothing on these rows"
        if found["better_high"] < enough:
            return UNCLEAR, (
                f"{done}, more than {self.breaks_per_repair:g} for a repair: set "
                f"breaks_per_repair to what one is worth; {left}"
            )
        return UNCLEAR, f"too few cases: {done}; {left}"


def _percent(found: dict[str, float], share: str) -> str:
    low, high = 100 * found[f"{share}_low"], 100 * found[f"{share}_high"]
    return f"{100 * found[share]:.0f} %, {low:.0f}-{high:.0f} %"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
