"""ErrorCorrector: a hot-fix with a certificate around a classifier in service.

Long on purpose: it is the one class that users meet, and what every verb takes, gives
and refuses is written at the verb.  Two fifths of the lines are that; the others pass
on to the modules that are imported here, where each idea is.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils import (
    check_consistent_length,
    check_random_state,
    column_or_1d,
    indexable,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from rarecorrect._compat import (
    check_sample_weight,
    safe_indexing,
)
from rarecorrect.array_api import as_numpy, beside
from rarecorrect.background import Background, Reservoir
from rarecorrect.blocks import Block, chunks
from rarecorrect.calibration import Terms
from rarecorrect.certify import LabelingPlan
from rarecorrect.corrections import Corrections
from rarecorrect.decider import Decider
from rarecorrect.detectors import AutoDetector, CascadeDetector, FisherDetector
from rarecorrect.exceptions import NotCertifiedWarning, RuleRefusedWarning
from rarecorrect.explain import Explanations, Usual, explanations
from rarecorrect.features import FeatureExtractor, Reading
from rarecorrect.fit_report import FitReport
from rarecorrect.forgetting import Held, every_rule, mark_of
from rarecorrect.inputs import (
    check_labels,
    check_parameters,
    cloned_parameter,
    refuse_one_dimension,
    side_of,
    strata_of,
)
from rarecorrect.learning import (
    FittingRows,
    Refusal,
    learn_rules,
    learns_from_moments,
    takes_sample_weight,
)
from rarecorrect.ledger import LedgerEntry, origin
from rarecorrect.legacy_model import is_fitted, tags_of
from rarecorrect.metrics import as_labels
from rarecorrect.notebook import book_html
from rarecorrect.probe import Probe
from rarecorrect.retirement import Review, still_needed
from rarecorrect.roles import Roles, Side, SplitPlan, held_out
from rarecorrect.row_mark import RowMark
from rarecorrect.row_shelf import RowShelf
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.streaming import (
    BlockFit,
    BlockScores,
    all_or_nothing,
    check_block,
    check_for_blocks,
)
from rarecorrect.tracing import trace_frame
from rarecorrect.training_rows import (
    known_share,
    row_keys,
    warn_about_taught_rows,
    warn_about_training_rows,
)

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def _legacy_has(*names: str) -> Any:
    def check(self: ErrorCorrector) -> bool:
        model = getattr(self, "estimator_", self.estimator)
        features = getattr(self, "features_", None)
        scored = any(hasattr(model, name) for name in names)
        if scored and features is not None and not features.one_score_per_class_:
            raise AttributeError(
                f"the scores of {type(model).__name__} are not one per class, so they "
                "cannot be corrected; SVC has such scores with "
                "decision_function_shape='ovr'"
            )
        return scored

    return check


def _ids(case_id: Any) -> list[Any]:
    """Ids as Python values; one alone is a list of one."""
    return [] if case_id is None else np.ravel(as_numpy(case_id)).tolist()


def _index_of(X: Any) -> Any:
    return X.index if isinstance(X, pd.DataFrame) else None


class ErrorCorrector(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Correct a trained classifier from a few of its errors, with a certificate.

    Do not pass the rows that the legacy model was trained on.  It is right on them far
    more often, and in another way, than on new rows: a threshold calibrated on them
    promises less harm than new rows will see, and the certificate is void.  Pass rows
    that the model has never seen: a later window, a test set, this week's reviews.

    Parameters
    ----------
    estimator : classifier
        The legacy model.  Fitted (bare or in a ``FrozenEstimator``): used as it is,
        never refitted, cloned or changed.  Unfitted: a clone is fitted on a part of
        `X`.  What predicts is fitted; unfitted is only what says so, by
        ``NotFittedError`` in ``predict`` or by ``__sklearn_is_fitted__``.
    features : str, list, callable or transformer, default="auto"
        What the detectors see, see :class:`~rarecorrect.features.FeatureExtractor`.
    detector : classifier, "auto" or None, default=None
        Binary classifier for "is this decision wrong?"; any scikit-learn classifier or
        imbalanced-learn pipeline.  ``None``: :class:`FisherDetector`.  ``"auto"``:
        several, weighed by what they do with errors left out, see
        :class:`~rarecorrect.detectors.AutoDetector`.
    confusions : "all", list of labels or list of (legacy label, true label), \
default="all"
        Errors that get a rule; labels may be unknown to the legacy model.
    action : {"relabel", "flag"}, default="relabel"
        ``"flag"``: `predict` keeps the legacy answer, :meth:`trace` marks the row.
    max_damage : float, dict or None, default=0.01
        Largest share of right decisions that may be changed or flagged, in (0, 1).
        With `per`, a dict of such shares by class or segment, ``{"ok": 0.001, "fraud":
        0.01}`` say; those that are not named have the smallest.
    confidence_level : float, default=0.95
        Of the certificate, in (0, 1).
    per : {None, "class", "segment"}, default=None
        ``"class"``: the certificate holds within every legacy label, ``"segment"``:
        within every value of ``segment=``.
    alert_budget : float, str or None, default=None
        Largest share of traffic changed, or a number such as ``"25/day"`` (a further
        day exceeds it with probability at most 0.10).
    value : str or None, default=None
        Name of the feature (see ``features_.names_``) that holds what is at stake in a
        row, in any unit: its logarithm is added to every score, in calibration and in
        service, so that an expensive case fires on weaker evidence than a cheap one
        under the same certificate.  Rows where it is 0 or less are never changed.
    time_margin : float, default=0.0
        Certify ``max_damage / (1 + time_margin)``, as a reserve for drift.
    contamination : float, default=0.0
        Assumed upper bound `c` of the share of hidden errors among the decisions that
        are taken for right (in every class or segment, with `per`): cases of the very
        kind that is corrected, and not known yet.  They should be changed, but count as
        damage and eat the budget.  With it, a share of ``max_damage + c`` of these
        decisions may change; that is certified.  That at most ``max_damage`` of the
        right ones do is not, in the worst case it is ``(max_damage + c) / (1 - c)``.
        An alert budget takes nothing for right and is not touched.
    ledger : bool, default=True
        Keep a fifth of the error probability for certificates of edited rule books on
        the same rows.  ``False``: spend all of it in the first.
    reservoir : int, default=20000
        Most calibration rows whose features are kept, so that :meth:`add` can certify
        again at once; a random part of more.  0: none.
    keep_errors : bool, default=False
        Keep the features of errors with the rules that were learnt from them: personal
        data, in most places.  With it, :meth:`forget` needs no more than their
        `case_id`, and can say again what a rule does with errors left out.
    legacy_accuracy : float or None, default=None
        A lower bound of the legacy model's accuracy in service.  With it,
        ``certify(X)`` bounds the damage without labels; an accuracy on `X` far above
        it raises a :class:`TrainingRowsWarning`.
    calibration_fraction : float or "auto", default="auto"
        Share of right decisions that calibrate and do nothing else.  ``"auto"``: half,
        but at least 1.5 times what the certificate needs, at most 80 %.
    validation_fraction : float, default=0.3
        With an unfitted `estimator`: share of `X` that it is not fitted on.
    shuffle : bool, default=True
        ``False``: the last rows (in ``time=`` if given) calibrate.
    random_state : int, RandomState or None, default=None
    n_jobs : int or None, default=None
        Rules learnt at once.
    verbose : int, default=0
        1: print the report after `fit`.

    Attributes
    ----------
    estimator_ : classifier
        The legacy model; ``estimator`` itself if it was fitted.
    rules_ : RuleBook
        Rules, thresholds and certificates; immutable.
    report_ : FitReport
        What was learnt, certified, refused and why.
    classes_ : ndarray
        Labels of the legacy model and of `y`, sorted.
    calibration_indices_ : ndarray of int
        Rows of the `X` of `fit` that calibrated and did nothing else.
    features_ : FeatureExtractor
    probe_ : Probe or None
        Synthetic rows and what the legacy model answers to them: a saved corrector is
        loaded around no other model.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If `X` has column names.

    Warns
    -----
    NotCertifiedWarning
        If there is nothing to learn or something cannot be certified.  `predict` then
        gives the legacy answer; the warning says what is missing.
    RuleRefusedWarning
        If a rule could not be learnt.

    See Also
    --------
    rarecorrect.certify : the thresholds and what they promise.
    rarecorrect.save, rarecorrect.load : one file, without pickle.

    References
    ----------
    A. Lebedev, V. Kazantsev, S. Stasenko, "Error correction in multiclass image
    classification of facial emotion on unbalanced samples", arXiv:2510.03337.

    Examples
    --------
    A model that was trained before class 2 existed learns it without retraining:

    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
    >>> X_new, y_new = X[2000:], y[2000:]
    >>> bool(corrector.score(X_new, y_new) > model.score(X_new, y_new) + 0.2)
    True
    >>> print(corrector.rules_.certificate())
    changes at most 1 % of right decisions (96 % confidence, 506 rows, 1 above)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        features: Any = "auto",
        detector: Any = None,
        confusions: Any = "all",
        action: str = "relabel",
        max_damage: float | Mapping[Any, float] | None = 0.01,
        confidence_level: float = 0.95,
        per: str | None = None,
        alert_budget: float | str | None = None,
        value: str | None = None,
        time_margin: float = 0.0,
        contamination: float = 0.0,
        ledger: bool = True,
        reservoir: int = 20_000,
        keep_errors: bool = False,
        legacy_accuracy: float | None = None,
        calibration_fraction: float | str = "auto",
        validation_fraction: float = 0.3,
        shuffle: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.features = features
        self.detector = detector
        self.confusions = confusions
        self.action = action
        self.max_damage = max_damage
        self.confidence_level = confidence_level
        self.per = per
        self.alert_budget = alert_budget
        self.value = value
        self.time_margin = time_margin
        self.contamination = contamination
        self.ledger = ledger
        self.reservoir = reservoir
        self.keep_errors = keep_errors
        self.legacy_accuracy = legacy_accuracy
        self.calibration_fraction = calibration_fraction
        self.validation_fraction = validation_fraction
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        calibration_mask: npt.ArrayLike | None = None,
        calibration_weight: npt.ArrayLike | None = None,
        segment: npt.ArrayLike | None = None,
        time: npt.ArrayLike | None = None,
        case_id: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn rules from the errors on `X` and certify them on its right decisions.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            Whatever the legacy model takes; rows that it was not trained on.
        y : array-like of shape (n_rows,)
            True labels: int, str or bool; labels unknown to the model are welcome.
        sample_weight : array-like of shape (n_rows,), optional
            Steers the detectors (and the fit of an unfitted estimator), not the
            certificate.  A weight counts rows: those that add up to 1 should be
            multiplied by their number.
        groups : array-like of shape (n_rows,), optional
            Customer, terminal ...: fitting and calibration never share one, and one
            random row of each group calibrates.  Groups that calibrate are chosen
            among all, so errors in them are not learnt from; choose yourself with
            `calibration_mask` where errors are few.
        calibration_mask : array-like of bool of shape (n_rows,), optional
            Right decisions that calibrate, instead of a random part; an unfitted
            estimator is not fitted on these rows.  Errors are learnt from wherever
            they are, but with `groups` not in groups that calibrate.
        calibration_weight : array-like of shape (n_rows,), optional
            Known sampling weights; calibration rows are thinned to the population.
        segment : array-like of shape (n_rows,), optional
            For ``per="segment"``.  Rows without one (None, NaN) are a segment of their
            own, ``"(missing)"``.
        time : array-like of shape (n_rows,), optional
            Days as numbers, or datetime64.
        case_id : array-like of shape (n_rows,), optional
            Ids of the cases, kept with the rule that was learnt from them.

        Returns
        -------
        ErrorCorrector

        Raises
        ------
        ValueError
            For parameters out of range, labels of mixed types, lengths that differ, a
            `value` that is no feature.
        """
        check_parameters(self.get_params(deep=False))
        X = self._checked(X, reset=True)
        y = check_labels(X, y)
        side = side_of(
            len(y),
            groups=groups,
            calibration_mask=calibration_mask,
            calibration_weight=calibration_weight,
            segment=segment,
            time=time,
            case_id=case_id,
        )
        weight = sample_weight
        if weight is not None:
            weight = check_sample_weight(as_numpy(weight), np.empty((len(y), 1)))
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        terms, rng = self._terms(), np.random.default_rng(self._seed)
        unseen = self._settle_estimator(X, y, weight, side, rng)
        reading, roles = self._assign(X, y, unseen, side, terms, rng)
        rules, refused = self._learn(reading, y, weight, roles, side)
        strata = self._strata(reading.labels, side.segment)
        background = self._background(reading, weight, roles, strata, side)
        book = self._first_book(rules, background)
        entries = terms.first_entries(book, reading, roles, strata=strata, side=side)
        self._know_again(reading, roles)
        # the fitted book is the first version: there is nothing before it to undo
        self.rules_ = book.certified_by(*entries).as_first("fit")
        right = reading.labels == y
        self.report_ = FitReport.of_fit(
            self.rules_,
            right,
            unseen,
            roles,
            refused,
            self.features_,
            terms,
            calibration_fraction=self.calibration_fraction,
            grouped=side.groups is not None,
            per=self.per,
            strata=strata,
        )
        warn_about_training_rows(
            int(right[unseen].sum()), int(unseen.sum()), self.legacy_accuracy
        )
        self._tell()
        return self

    def certify(
        self,
        X: Any,
        y: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
        segment: npt.ArrayLike | None = None,
        time: npt.ArrayLike | None = None,
        calibration_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Certify the rules in force on rows that nothing was learnt from.

        All budgets that the parameters set now must be certified, also those that were
        set after :meth:`fit`.  With `per`, a class or segment that these rows cannot
        certify keeps the certificate that it has.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
        y : array-like of shape (n_rows,), optional
            With labels: the damage certificate.  Some may be missing (None, NaN): if
            those that :meth:`label_next` asks for are there, the certificate is that of
            all rows.  Without `y`: `X` is recent traffic, for the alert budget and, if
            ``legacy_accuracy`` is set, for the damage.
        groups, segment, time, calibration_weight : array-like, optional
            As in :meth:`fit`.

        Returns
        -------
        ErrorCorrector
            The same object, with a new version of ``rules_``.

        Raises
        ------
        ValueError
            If there is nothing that these rows could certify, or the ledger is spent.

        Warns
        -----
        TrainingRowsWarning
            If rules were learnt from more than a tenth of the rows that certify.

        Notes
        -----
        The ledger knows rows again, in any order, if the same ones are right.  It knows
        neither parts of them nor the same rows once with and once without `y`: use rows
        in one way only.
        """
        check_is_fitted(self)
        reading = self._read(X)
        side = side_of(
            len(reading.labels),
            groups=groups,
            segment=segment,
            time=time,
            calibration_weight=calibration_weight,
        )
        strata = self._strata(reading.labels, side.segment)
        terms = self._terms()
        book = self.rules_.under(terms.budgets, self._origin(), self._value())
        scores = book.decide(reading.features, reading.labels, strata).score
        if y is not None and np.any(pd.isna(as_numpy(y, dtype=object))):
            known = self._known_right(reading, y, side)
            self._warn_if_taught(row_keys(reading.features))
            entries = [terms.entry_from_top(book, reading, scores, known)]
        elif y is not None:
            labels = as_labels(y, "y")
            check_consistent_length(reading.labels, labels)
            unique_labels(self.classes_, labels)  # refuses a mix of kinds
            right = np.flatnonzero(reading.labels == labels)
            if right.size == 0:
                return self._warn_of_none_right(book, len(labels))
            self._warn_if_taught(row_keys(reading.features[right]))
            entry = terms.damage_entry(
                book, reading, scores, right, strata=strata, side=side
            )
            entries = [entry]
        else:
            terms = self._terms_of_traffic()
            self._warn_if_taught(row_keys(reading.features))
            entries = terms.traffic_entries(book, reading, scores, side=side)
        return self._certified(book, entries, len(reading.labels))

    def fit_blocks(self, blocks: Iterable[Any]) -> Self:
        """Learn and certify as :meth:`fit` does, from more rows than memory holds.

        Blocks are read once.  Rules of a :class:`FisherDetector` (of one cluster, as by
        default) learn from the moments of all right decisions that teach; all other
        detectors, and all scales, from a random 50,000 of them.  At most 100,000 errors
        teach, of every true label alike, and at most 2,000,000 right decisions
        calibrate (or 1.5 times as many as the budget needs), of every class or segment
        alike.  Who teaches and who calibrates depends on the number of a row and on
        `random_state`, not on the size of the blocks: the result is the same to the
        last bit.

        Parameters
        ----------
        blocks : iterable of Block, (X, y)
            :class:`~rarecorrect.blocks.ParquetBlocks`,
            :func:`~rarecorrect.blocks.array_blocks`, a generator of yours.  Their `X`
            is what the legacy model takes, with the same columns in all of them.

        Returns
        -------
        ErrorCorrector

        Raises
        ------
        ValueError
            For blocks that differ, no rows, values to learn from that are not finite,
            and what needs all rows at once: a legacy model or transformers that are not
            fitted, ``shuffle=False``, alerts a day.  There are neither groups nor
            weights.  After an error, or an interrupt, the corrector is as before.

        Notes
        -----
        Right decisions that calibrate lie on disk until there are rules, in a temporary
        file without a name.  Whether labels can be read off the scores, and medians for
        missing values, are settled on the first chunk (65,536 rows, fewer of more than
        64 columns).  With ``calibration_fraction="auto"``, half of the right decisions
        may calibrate.

        Of the right decisions that taught, only those in the sample are known again by
        :meth:`certify` and :meth:`forget`.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
        >>> old = y[:500] != 2
        >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
        >>> corrector = ErrorCorrector(model, random_state=0)
        >>> blocks = ((X[i : i + 100], y[i : i + 100]) for i in range(500, 2000, 100))
        >>> corrector = corrector.fit_blocks(blocks)
        >>> bool(corrector.score(X[2000:], y[2000:]) > model.score(X[2000:], y[2000:]))
        True
        """
        params = self.get_params(deep=False)
        check_parameters(params)
        check_for_blocks(params)
        with all_or_nothing(self), RowShelf() as shelf:
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            terms, self.estimator_ = self._terms(), self.estimator
            detector = self._detector()
            seen = BlockFit(
                terms,
                shelf,
                fraction=self.calibration_fraction,
                linear=learns_from_moments(detector),
                stratified=self.per is not None,
            )
            for start, chunk in chunks(blocks):
                check_block(chunk, terms, fitting=True)
                seen.add(start, *self._read_to_fit(start, chunk, seen))
            fitting = seen.fitting_rows(keep_errors=self.keep_errors)
            rules, refused = self._learn_from(fitting)
            book = self._first_book(rules)
            most_kept = self.reservoir if self.ledger else 0
            calibrated = seen.calibrated(book, most_kept=most_kept)
            background = seen.background(
                origin=self._origin(),
                reservoir=calibrated.reservoir,
                robust=isinstance(detector, AutoDetector | CascadeDetector),
            )
            self.calibration_indices_ = calibrated.rows
            self._taught, self._calibrated = seen.taught(), calibrated.keys
            self._usual = seen.usual()
            book = replace(book, background=background)
            self.rules_ = book.certified_by(*calibrated.entries).as_first("fit")
            self.report_ = FitReport.of_blocks(
                self.rules_,
                refused,
                self.features_,
                terms,
                seen.roles(calibrated),
                n_rows=seen.n_rows,
                n_right=seen.n_right,
                n_errors=seen.n_errors,
                n_background=seen.n_background,
                per=self.per,
                strata=tuple(seen.strata),
            )
        warn_about_training_rows(seen.n_right, seen.n_rows, self.legacy_accuracy)
        self._tell()
        return self

    def certify_blocks(self, blocks: Iterable[Any]) -> Self:
        """Certify as :meth:`certify` does, on more rows than memory holds.

        Blocks are read once.  With labels, right decisions certify the damage, at most
        2,000,000 of them (or 1.5 times as many as the budget needs), drawn by their
        numbers, of every class or segment alike.  Without, rows are traffic: a share of
        it is certified on as many; for a number a day all rows count, of which the
        largest scores of every day are kept.

        Parameters
        ----------
        blocks : iterable of Block, (X, y) or (X,)
            As in :meth:`fit_blocks`; with `y` in all of them, or in none.

        Returns
        -------
        ErrorCorrector
            The same object, with a new version of ``rules_``.

        Raises
        ------
        ValueError
            As in :meth:`certify` and :meth:`fit_blocks`, and for labels that are
            missing: rows labelled from the top go to :meth:`certify`.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> from rarecorrect.blocks import array_blocks
        >>> X, y = make_blobs(9000, centers=3, cluster_std=1.5, random_state=1)
        >>> old = y[:500] != 2
        >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
        >>> corrector = ErrorCorrector(model, random_state=0)
        >>> corrector = corrector.fit(X[500:2000], y[500:2000])
        >>> later = array_blocks(X[2000:], y[2000:], block_rows=1000)
        >>> print(corrector.certify_blocks(later).rules_.certificate())
        changes at most 1 % of right decisions (96 % confidence, 4,671 rows, 34 above)
        """
        check_is_fitted(self)
        terms, seen, n_rows = self._terms(), None, 0
        book = self.rules_.under(terms.budgets, self._origin(), self._value())
        for start, chunk in chunks(blocks):
            check_block(chunk, terms, fitting=False)
            reading = self._read(chunk.X)
            side = side_of(len(reading.labels), segment=chunk.segment, time=chunk.time)
            strata = self._strata(reading.labels, side.segment)
            rows = np.arange(len(reading.labels))
            if chunk.y is not None:
                y = check_labels(chunk.X, chunk.y)
                unique_labels(self.classes_, y)  # refuses a mix of kinds
                rows = np.flatnonzero(reading.labels == y)
            if seen is None:
                labelled = chunk.y is not None
                terms = terms if labelled else self._terms_of_traffic()
                by_stratum = labelled and self.per is not None
                seen = BlockScores(terms, labelled=labelled, stratified=by_stratum)
            scores = book.decide(reading.features, reading.labels, strata).score
            seen.add(
                start,
                scores[rows],
                reading.features[rows],
                strata[rows] if strata is not None and by_stratum else None,
                None if side.time is None else side.time[rows],
            )
            n_rows = start + len(reading.labels)
        assert seen is not None  # chunks refuses blocks without rows
        if seen.n == 0:
            return self._warn_of_none_right(book, n_rows)
        self._warn_if_taught(seen.keys.columns()["keys"])
        return self._certified(book, seen.entries(book), n_rows)

    def label_next(self, X: Any, y: npt.ArrayLike | None = None) -> LabelingPlan:
        """Say which rows to label next, for the cheapest damage certificate.

        A damage of a tenth of a percent takes 2,995 right decisions or more.  It does
        not take their labels: a random sample that says how many rows are right, and
        the rows that the rules find most suspicious, are enough, a few per cent of
        all.  Label what this asks for, ask again, and pass all rows to :meth:`certify`
        once nothing is asked for.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            Rows that took no part in anything: recent cases, in full.
        y : array-like of shape (n_rows,), optional
            True labels as far as they are known; None or NaN where they are not.

        Returns
        -------
        LabelingPlan
            Its ``rows`` are places in `X`, the most urgent first.

        Raises
        ------
        ValueError
            If `per` is set, ``max_damage`` is None, or the ledger is spent.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_blobs([6000, 6000, 200], cluster_std=1.5, random_state=1)
        >>> old = y[:500] != 2
        >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
        >>> corrector = ErrorCorrector(model, random_state=0)
        >>> corrector = corrector.fit(X[500:2000], y[500:2000])
        >>> recent, truth = X[2000:], y[2000:]
        >>> corrector = corrector.set_params(max_damage=0.001)
        >>> known = np.full(10_200, np.nan)
        >>> while (todo := corrector.label_next(recent, known)).rows.size:
        ...     known[todo.rows] = truth[todo.rows]  # somebody looks at these
        >>> int(np.sum(~np.isnan(known)))
        513
        >>> corrector = corrector.certify(recent, known)
        >>> corrector.rules_.certificate().n_calibration
        9829
        """
        check_is_fitted(self)
        return self._to_label([(X, y)])

    def label_next_blocks(self, blocks: Iterable[Any]) -> LabelingPlan:
        """Say which rows to label next as :meth:`label_next` does, of any number.

        Blocks are read once; of a row, its score is kept and what is known of it.

        Parameters
        ----------
        blocks : iterable of Block, (X, y) or (X,)
            As in :meth:`fit_blocks`; of `y`, what is not known is None or NaN.

        Returns
        -------
        LabelingPlan
            The same for blocks of every size.

        Raises
        ------
        ValueError
            As in :meth:`label_next` and :meth:`fit_blocks`.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> from rarecorrect.blocks import array_blocks
        >>> X, y = make_blobs([6000, 6000, 200], cluster_std=1.5, random_state=1)
        >>> old = y[:500] != 2
        >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
        >>> corrector = ErrorCorrector(model, random_state=0)
        >>> corrector = corrector.fit(X[500:2000], y[500:2000])
        >>> recent = array_blocks(X[2000:], block_rows=1000)
        >>> corrector.label_next_blocks(recent).rows.size
        400
        """
        check_is_fitted(self)
        return self._to_label((chunk.X, chunk.y) for _, chunk in chunks(blocks))

    def _to_label(self, parts: Iterable[tuple[Any, Any]]) -> LabelingPlan:
        """Which rows to label next; of a row, no more than two numbers is kept."""
        terms, mark = self._terms(), RowMark()
        terms.check_rows(labelled=True)
        book = self.rules_.under(terms.budgets, self._origin(), self._value())
        scores, right = [], []
        for X, y in parts:
            reading = self._read(X)
            given = np.full(len(reading.labels), np.nan) if y is None else y
            right.append(self._known_right(reading, given, Side()))
            scores.append(book.decide(reading.features, reading.labels).score)
            mark.add(reading.features)
        whole = np.concatenate(scores), np.concatenate(right)
        return terms.plan(book, mark.digest, *whole)

    def add(
        self,
        X_errors: Any,
        y_errors: npt.ArrayLike,
        *,
        name: str = "",
        note: str = "",
        author: str = "",
        state: str = "active",
        case_id: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn one rule more from a few errors, and certify all rules again.

        One error is enough.  Neither the legacy model nor any other rule is touched,
        and it takes milliseconds: the rule is a Fisher discriminant, on robust columns
        where `detector` is ``"auto"`` or a cascade, see
        :class:`~rarecorrect.robust.RobustColumns`.  An active rule is certified
        together with the others on the rows that calibrated in :meth:`fit`, at a level
        that the ledger kept for it: every further rule pays a smaller part of the error
        probability.

        Parameters
        ----------
        X_errors : array-like, frame or sparse matrix of shape (n_errors, n_columns)
            Rows that the legacy model gets wrong.
        y_errors : array-like of shape (n_errors,)
            True labels, all the same; labels unknown to the model are welcome.
        name : str, default=""
            Empty: ``"to <label>"``, with a number where that is taken.
        note, author : str, default=""
        state : {"draft", "shadow", "active", "retired"}, default="active"
            Of the rule.  Unless it is active, nothing is certified and nothing spent.
        case_id : array-like of shape (n_errors,), optional
            As in :meth:`fit`.

        Returns
        -------
        ErrorCorrector
            Another object; this one stays as it is, and undoes the rule.

        Raises
        ------
        ValueError
            For several true labels, rows that the legacy model gets right, or
            ``ledger=False`` set after the fit.

        Warns
        -----
        NotCertifiedWarning
            If there are no rows to certify on, or too few for what is left of the error
            probability: pass rows to :meth:`certify`.  Until then the legacy answer is
            kept.

        Notes
        -----
        The rows of the fit calibrate again.  The ledger pays for that as long as the
        errors were chosen without looking at how those rows came out.  Who tries rules
        until the certificate looks good has voided it, and needs fresh rows.
        """
        check_is_fitted(self)
        reading, true = self._read(X_errors), as_labels(y_errors, "y_errors")
        ids = side_of(len(reading.labels), case_id=case_id).case_id
        terms = self._terms()
        book = self.rules_.under(terms.budgets, self._origin(), self._value()).add(
            reading.features,
            true,
            legacy_labels=reading.labels,
            name=name,
            note=note,
            author=author,
            state=state,
            action=self.action,
            case_ids=() if ids is None else tuple(ids.tolist()),
            keep_errors=self.keep_errors,
        )
        reservoir = None if book.background is None else book.background.reservoir
        if state == "active" and reservoir is not None and terms.max_damage is not None:
            entry = terms.entry_again(book, reservoir)
            book = book.certified_by(entry, author=author)
        made = self.with_rules(book)
        n_errors = self.report_.n_errors + len(true)
        made.report_ = replace(made.report_, n_errors=n_errors)
        made._tell()
        return made

    def forget(
        self,
        X: Any = None,
        y: npt.ArrayLike | None = None,
        *,
        case_id: npt.ArrayLike | None = None,
        salt: str = "",
        author: str = "",
    ) -> Self:
        """Return a corrector that has never seen some rows, for requests of erasure.

        What is left is a function of the other rows alone: moments that the rows are
        taken out of, rules built from them (each in its clusters, with its number of
        components; scales from the book's sample), certificates from the calibration
        rows that are left, each at the confidence that was paid for it.  Versions
        before are gone, and cannot be undone; what the history says of them stays.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns), optional
            The rows, as :meth:`fit` or :meth:`add` saw them.  No features of errors and
            of most right decisions are stored, so whoever erases a row must have it.
        y : array-like of shape (n_rows,), optional
            Their true labels, as they were then.
        case_id : array-like of shape (n_rows,), optional
            Ids of the rows, for the log.  Without `X`: of errors that rules keep, see
            `keep_errors`.
        salt : str, default=""
            A secret of yours.  The log marks the rows by a keyed hash of their ids (or
            of their features): with the salt, and with it only, it can be checked later
            which rows were forgotten.  Empty: drawn at random and thrown away.
        author : str, default=""

        Returns
        -------
        ErrorCorrector
            Another object.  This one, and files and copies of it, still hold the rows:
            delete them.

        Raises
        ------
        ValueError
            For rows that nothing is held of (also where they were forgotten before),
            and for what cannot forget: rules of other detectors than
            :class:`FisherDetector` without a sphere, or learnt with sample weights;
            medians of missing values, transformers or a legacy model that were fitted
            by :meth:`fit`; a book without its background, or with one of ranks, as for
            ``detector="auto"``.  Nothing is changed then; rows that only calibrated are
            always forgotten.

        Warns
        -----
        NotCertifiedWarning
            Where too few rows are left, or the book keeps none of those that
            calibrated; certificates on other rows (of traffic, say) are always
            withdrawn, since nobody can tell whether the same rows are among them.  Pass
            rows to :meth:`certify`.

        Notes
        -----
        What stays is no trace of a row: the rows of ``probe_`` (means of neighbouring
        values), labels in ``classes_``, and in ``report_`` the number of rows passed to
        `fit` and the legacy model's accuracy on them.  A certificate is valid as long
        as rows are not forgotten because of how they came out.

        Rules that keep no errors can no longer say what they do with errors left out,
        and are no longer mute where it is not worth firing; the certificate bounds the
        damage all the same.
        """
        check_is_fitted(self)
        if not hasattr(self, "_usual"):
            raise ValueError(
                "this corrector was saved by a version that could not forget rows; fit "
                "it again without them"
            )
        if (X is None) != (y is None):
            raise ValueError(
                "forget needs the rows and their true labels: forget(X, y)"
            )
        held = Held(self.rules_, self._usual, self._taught, self._calibrated)
        ids = _ids(case_id)
        if X is None or y is None:
            Z, labels, true = held.kept(ids)
        else:
            reading, true = self._read(X), as_labels(y, "y")
            Z, labels = reading.features, reading.labels
            check_consistent_length(labels, true, *([ids] if ids else []))
            unique_labels(self.classes_, true)  # refuses a mix of kinds
        found = held.find(Z, labels, true)
        if found.learnt_from.any():
            self._refuse_what_was_fitted()
        left, terms = held.without(found), self._terms()
        entries, current = terms.without_rows(held.book, left.book)
        mark = mark_of(salt, ids=ids, Z=Z)
        made = self.with_rules(
            left.book.forgotten(
                f"forget {len(true)} rows (mark {mark})",
                author=author,
                entries=entries,
                current=current,
            )
        )
        made._taught, made._calibrated = left.taught, left.calibrated
        made._usual = left.usual
        gone = found.calibrated[found.calibrated >= 0]
        made.calibration_indices_ = np.delete(self.calibration_indices_, gone)
        made.report_ = made.report_.without(
            n_errors=int(found.errors.sum()), n_background=int(found.right.sum())
        )
        made._tell()
        return made

    def predict(self, X: Any, *, segment: npt.ArrayLike | None = None) -> Array:
        """Corrected label of every row.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
        segment : array-like of shape (n_rows,), optional
            Needed with ``per="segment"``; unknown segments keep the legacy answer.

        Returns
        -------
        ndarray of shape (n_rows,)
            With ``array_api_dispatch``, labels that are numbers lie where `X` does, as
            scores do.
        """
        reading, strata = self._asked_there(X, segment)
        after = Corrections.of(self.rules_, reading, strata).labels(self.classes_)
        labels: Array = beside(after, X)
        return labels

    @available_if(_legacy_has("predict_proba"))
    def predict_proba(
        self, X: Any, *, segment: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Scores that agree with `predict`: a ranking, not calibrated probabilities.

        Where no rule fires: the legacy probabilities, 0 for labels that the legacy
        model does not know.  Where one fires, the new label gets ``1 - rank / 2`` with
        the tail rank among calibration decisions, the others share the rest in the
        legacy proportions.  Where the legacy model decides against its own scores, its
        decision is lifted to the top.  Not available where the legacy scores are not
        one per class.

        Parameters
        ----------
        X, segment
            As in :meth:`predict`.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        found = self._probabilities(*self._asked_there(X, segment))
        shares: FloatArray = beside(found, X)
        return shares

    @available_if(_legacy_has("predict_proba", "decision_function"))
    def decision_function(
        self, X: Any, *, segment: npt.ArrayLike | None = None
    ) -> FloatArray:
        """Log-odds (two classes) or logs of the scores of :meth:`predict_proba`.

        Parameters
        ----------
        X, segment
            As in :meth:`predict`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
        """
        p = self._probabilities(*self._asked_there(X, segment))
        p = np.maximum(p, np.finfo(float).tiny)
        log = np.log(p)
        scores: FloatArray = beside(
            log[:, 1] - log[:, 0] if p.shape[1] == 2 else log, X
        )
        return scores

    def score(
        self,
        X: Any,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        segment: npt.ArrayLike | None = None,
    ) -> float:
        """Accuracy of the corrected labels.

        Parameters
        ----------
        X, segment
            As in :meth:`predict`.
        y : array-like of shape (n_rows,)
            True labels.
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        float
        """
        after = self.predict(X, segment=segment)
        return float(accuracy_score(y, after, sample_weight=sample_weight))

    def trace(
        self,
        X: Any,
        *,
        segment: npt.ArrayLike | None = None,
        scores: bool = False,
    ) -> pd.DataFrame:
        """Say what was done with every row, and by which rule.

        Parameters
        ----------
        X, segment
            As in :meth:`predict`.
        scores : bool, default=False
            Add what :meth:`predict_proba` says of every label, as ``score_<label>``:
            labels, reasons and scores from one pass of the legacy model.

        Returns
        -------
        DataFrame
            One row per case: ``before``, ``after``; ``changed``: relabelled;
            ``flagged``: for review; ``rule``, ``proposed``: the best active rule and
            its label; ``score``: on the common scale, ``-inf`` where no rule speaks;
            ``margin``: score minus threshold; ``tail_rank``: share of calibration
            decisions that look as wrong, ``1 / (n + 1)`` where none of `n` does, on
            rows that fire; ``shadow_rule``: the shadow rule that would fire;
            ``certificate``: name of the ledger entry in force.

        Raises
        ------
        AttributeError
            With `scores`, where the legacy model has none: there is no
            :meth:`predict_proba` either.
        """
        if scores:
            self.predict_proba  # noqa: B018 - raises where there is none
        reading, strata = self._asked(X, segment)
        found = trace_frame(self.rules_, reading, strata, self.classes_, _index_of(X))
        if scores:
            shares = self._probabilities(reading, strata)
            found[[f"score_{label}" for label in self.classes_]] = shares
        return found

    def explain(
        self,
        X: Any,
        *,
        segment: npt.ArrayLike | None = None,
        reasons: Mapping[Any, str] | None = None,
        top: int = 3,
    ) -> Explanations:
        """Say why cases are changed or flagged, one sentence each.

        Parameters
        ----------
        X, segment
            As in :meth:`predict`.
        reasons : mapping from feature to str, optional
            Your own words for features, for the sentences.
        top : int, default=3
            Features named in a sentence, at most.

        Returns
        -------
        Explanations
            See :func:`~rarecorrect.explain.explanations`.

        Raises
        ------
        ValueError
            For a corrector from a file that holds nothing to count contributions from.
        """
        check_is_fitted(self)
        if not hasattr(self, "_usual"):
            raise ValueError(
                "this corrector was saved by a version that could not explain cases; "
                "fit it again, or ask trace(X) which rule changes them"
            )
        reading, strata = self._asked(X, segment)
        return explanations(
            self.rules_,
            reading,
            strata,
            self.classes_,
            _index_of(X),
            names=self.features_.names_,
            usual=self._usual,
            reasons=reasons,
            top=top,
        )

    def decider(self) -> Decider:
        """Return a plain function for one case at a time, in microseconds.

        It takes features that are at hand and the legacy label, checks nothing, and
        answers as :meth:`predict` does.

        Returns
        -------
        Decider
            Of the rules now in force: make another one after an edit.

        Examples
        --------
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_blobs(2000, centers=3, cluster_std=1.5, random_state=1)
        >>> old = y[:500] != 2
        >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
        >>> corrector = ErrorCorrector(model, features="input", random_state=0)
        >>> decide = corrector.fit(X[500:], y[500:]).decider()
        >>> label = model.predict(X[:1])[0]
        >>> bool(decide(X[0], label) == corrector.predict(X[:1])[0])
        True
        """
        check_is_fitted(self)
        return Decider(self.rules_, len(self.features_.names_), self.per)

    def still_needed(
        self,
        new_model: Any,
        X: Any,
        y: npt.ArrayLike,
        *,
        segment: npt.ArrayLike | None = None,
        confidence_level: float = 0.95,
        most_left: float = 0.2,
        breaks_per_repair: float = 1.0,
    ) -> Review:
        """Say which rules a retrained model still needs.

        Parameters
        ----------
        new_model : classifier
            Fitted; rules act on what it predicts.
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
            Rows that are new to both models and to the rules.
        y : array-like of shape (n_rows,)
            True labels.
        segment : array-like of shape (n_rows,), optional
            As in :meth:`predict`.
        confidence_level : float, default=0.95
        most_left : float, default=0.2
        breaks_per_repair : float, default=1.0
            See :func:`~rarecorrect.retirement.still_needed`.

        Returns
        -------
        Review
        """
        check_is_fitted(self)
        reading = self._read(X)
        self._warn_if_taught(row_keys(reading.features))
        return still_needed(
            self.rules_,
            reading,
            column_or_1d(as_numpy(new_model.predict(X))),
            y,
            per=self.per,
            segment=side_of(len(reading.labels), segment=segment).segment,
            confidence_level=confidence_level,
            most_left=most_left,
            breaks_per_repair=breaks_per_repair,
        )

    def with_rules(self, book: RuleBook) -> Self:
        """Return a corrector with another book around the same legacy model.

        Budgets are those of this corrector.  Certificates stay in force if they were
        made around the same legacy model object (or in a copy of the corrector) with
        the same features, ``per`` and ``value``; if not, the book is off until
        :meth:`certify`.

        Parameters
        ----------
        book : RuleBook

        Returns
        -------
        ErrorCorrector
            Another object; this one stays as it is.

        Raises
        ------
        ValueError
            If a rule reads another number of features.

        Notes
        -----
        From here on, each of the two has a ledger of its own: neither sees which
        calibration rows the other one uses.  Certificates of several branches on the
        same rows hold one by one, but not for the best of them: decide between branches
        on other rows, or certify the one that was chosen on fresh rows.
        """
        check_is_fitted(self)
        n_features = len(self.features_.names_)
        for rule in book:
            if rule.n_features not in (None, n_features):
                raise ValueError(
                    f"rule {rule.name!r} reads {rule.n_features} features, but "
                    f"features={self.features!r} give {n_features} here; fit with the "
                    "features that the rule was learnt with, or remove it"
                )
        other = copy.copy(self)
        budgets = self._terms().budgets
        other.rules_ = book.under(budgets, self._origin(), self._value())
        labels = [rule.to for rule in book]
        if labels:  # a rule learnt elsewhere may know a label that is new here
            other.classes_ = unique_labels(self.classes_, labels)
        other.report_ = self.report_.under(other.rules_, self._terms(), self.per)
        return other

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of a fitted legacy model are refused.

        Parameters
        ----------
        **params : object
            By name; ``estimator__C`` is the parameter ``C`` of an unfitted estimator.

        Returns
        -------
        ErrorCorrector
            The same object.

        Raises
        ------
        ValueError
            For ``estimator__...`` if the legacy model is fitted: it is in service.
        """
        inner = [name for name in params if name.startswith("estimator__")]
        if inner and is_fitted(params.get("estimator", self.estimator)):
            raise ValueError(
                f"{inner[0]}: the legacy model is fitted and never changed; pass an "
                "unfitted estimator to tune it"
            )
        super().set_params(**params)
        return self

    def __sklearn_clone__(self) -> ErrorCorrector:
        params = self.get_params(deep=False)
        copied = type(self)(
            **{name: cloned_parameter(name, value) for name, value in params.items()}
        )
        if hasattr(self, "_metadata_request"):  # set_fit_request(groups=True) ...
            copied._metadata_request = copy.deepcopy(self._metadata_request)
        return copied

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        legacy = tags_of(self.estimator) or tags
        # one by one: a frozen model's tag object would switch nearly all checks off
        tags.input_tags.sparse = legacy.input_tags.sparse
        tags.input_tags.allow_nan = legacy.input_tags.allow_nan
        tags.input_tags.categorical = legacy.input_tags.categorical
        tags.input_tags.string = legacy.input_tags.string
        if legacy.classifier_tags is not None:
            tags.classifier_tags.multi_class = legacy.classifier_tags.multi_class
            tags.classifier_tags.poor_score = legacy.classifier_tags.poor_score
        return tags

    def _html_repr(self) -> str:
        """The diagram of scikit-learn; below it rules and certificate, once fitted."""
        diagram = str(super()._html_repr())
        return (
            diagram + book_html(self.report_) if hasattr(self, "report_") else diagram
        )

    def _terms(self) -> Terms:
        return Terms.checked(
            max_damage=self.max_damage,
            alert_budget=self.alert_budget,
            confidence_level=self.confidence_level,
            time_margin=self.time_margin,
            contamination=self.contamination,
            ledger=self.ledger,
            legacy_accuracy=self.legacy_accuracy,
            seed=self._seed,
        )

    def _settle_estimator(
        self,
        X: Any,
        y: Array,
        weight: Array | None,
        side: Side,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.bool_]:
        """Use the legacy model as it is, or fit one; return rows it has not seen."""
        if is_fitted(self.estimator, X):
            self.estimator_ = self.estimator
            return np.ones(len(y), dtype=bool)
        unseen = held_out(
            y, self.validation_fraction, side, shuffle=self.shuffle, rng=rng
        )
        if side.calibration_mask is not None:
            unseen |= side.calibration_mask
        # a row of weight 0 is not there, also for models that take no weights
        train = np.flatnonzero(~unseen if weight is None else ~unseen & (weight > 0))
        model = clone(self.estimator)
        options = {}
        if weight is not None and has_fit_parameter(model, "sample_weight"):
            options["sample_weight"] = weight[train]
        self.estimator_ = model.fit(
            safe_indexing(X, train), beside(y[train], X), **options
        )
        return unseen

    def _assign(
        self,
        X: Any,
        y: Array,
        unseen: npt.NDArray[np.bool_],
        side: Side,
        terms: Terms,
        rng: np.random.Generator,
    ) -> tuple[Reading, Roles]:
        """One pass of the legacy model; what every row is for."""
        plan = SplitPlan(
            None if self.max_damage is None else terms.mixed_damage,
            terms.first_level,
            self.calibration_fraction,
            self.shuffle,
        )
        assigned: list[Roles] = []

        def fitting_rows(labels: Array) -> Indices:
            roles = plan.roles(
                np.asarray(labels == y),
                unseen=unseen,
                strata=self._strata(labels, side.segment),
                side=side,
                rng=rng,
            )
            assigned.append(roles)
            # rows of calibration groups that do not calibrate teach nothing either
            return np.sort(np.concatenate([roles.errors, roles.background]))

        return self._read_first(X, y, fitting_rows), assigned[0]

    def _read_first(
        self, X: Any, y: Array, fitting_rows: Callable[[Array], Indices]
    ) -> Reading:
        """Settle what rules read, on the first rows."""
        self.features_ = FeatureExtractor(self.estimator_, self.features)
        reading = self.features_.fit_read(X, fitting_rows)
        # a model, columns, and whatever was learnt to make them
        self._read_from = origin(*self.features_.parts_)
        self._value()  # refuses what is no feature before anything is learnt
        self.classes_ = unique_labels(self.features_.classes_, y)
        self.probe_ = Probe.of(X, self.estimator_, self._seed)
        return reading

    def _learn(
        self,
        reading: Reading,
        y: Array,
        weight: Array | None,
        roles: Roles,
        side: Side,
    ) -> tuple[list[Rule], list[Refusal]]:
        rows = FittingRows(
            reading.features,
            y,
            reading.labels,
            roles.background,
            roles.errors,
            weight,
            side.groups,
            side.case_id,
            self._strata(reading.labels, side.segment),
            self.keep_errors,
        )
        return self._learn_from(rows)

    def _learn_from(self, rows: FittingRows) -> tuple[list[Rule], list[Refusal]]:
        detector = self._detector()
        if rows.sample_weight is not None and not takes_sample_weight(detector):
            raise ValueError(
                f"sample_weight was passed but {type(detector).__name__}.fit does not "
                "take it; use another detector or leave it out"
            )
        rules, refused = learn_rules(
            rows,
            detector,
            confusions=self.confusions,
            action=self.action,
            random_state=self._seed,
            n_jobs=self.n_jobs,
        )
        for refusal in refused:
            warnings.warn(
                f"rule {refusal.name!r} refused: {refusal.reason}",
                RuleRefusedWarning,
                stacklevel=4,
            )
        return rules, refused

    def _read_to_fit(
        self, start: int, chunk: Block, seen: BlockFit
    ) -> tuple[Reading, Array, Side, Array | None]:
        """Reading, true labels, side and strata of a chunk; the first one settles."""
        X, y = chunk.X, check_labels(chunk.X, chunk.y)
        side = side_of(
            len(y),
            segment=chunk.segment,
            case_id=chunk.case_id,
            calibration_mask=chunk.calibration_mask,
        )
        if start == 0:
            validate_data(self, X, skip_check_array=True)
            reading = self._read_first(
                X,
                y,
                lambda labels: np.flatnonzero(
                    ~seen.calibrating(0, np.asarray(labels == y), side)
                ),
            )
        else:
            reading = self._read(X)
            self.classes_ = unique_labels(self.classes_, y)
        return reading, y, side, self._strata(reading.labels, side.segment)

    def _first_book(
        self, rules: list[Rule], background: Background | None = None
    ) -> RuleBook:
        return RuleBook(
            budgets=self._terms().budgets,
            origin=self._origin(),
            value=self._value(),
            feature_names=tuple(map(str, self.features_.names_)),
            background=background,
        ).extend(*rules)

    def _know_again(self, reading: Reading, roles: Roles) -> None:
        """Keep what rows of the fit are known by; errors by what their rules hold."""
        self.calibration_indices_ = roles.calibration
        background = roles.background
        self._taught = row_keys(reading.features[background])
        self._calibrated = row_keys(reading.features[roles.calibration])
        # what contributions are counted from, see explain
        self._usual = Usual.of(reading.features[background], reading.labels[background])

    def _background(
        self,
        reading: Reading,
        weight: Array | None,
        roles: Roles,
        strata: Array | None,
        side: Side,
    ) -> Background | None:
        """What the book keeps of the rows, for :meth:`add`."""
        rows = reading.features, reading.labels
        reservoir = None
        if self.ledger and self.reservoir:  # without a ledger, rows certify once
            reservoir = Reservoir.from_rows(
                *rows,
                roles.calibration,
                strata=strata,
                groups=side.groups,
                weight=side.calibration_weight,
                most_rows=self.reservoir,
                seed=self._seed,
            )
        return Background.from_rows(
            *rows,
            roles.background,
            sample_weight=weight,
            origin=self._origin(),
            reservoir=reservoir,
            robust=isinstance(self._detector(), AutoDetector | CascadeDetector),
            seed=self._seed,
        )

    def _detector(self) -> Any:
        """The prototype that every rule gets a clone of."""
        if self.detector is None:
            return FisherDetector()
        if not isinstance(self.detector, str):
            return self.detector
        return AutoDetector(
            max_damage=self._terms().likely_damage,
            contamination=self.contamination,
            random_state=self._seed,
        )

    def _terms_of_traffic(self) -> Terms:
        """What rows without labels can certify."""
        if self.per is not None and self.alert_budget is None:
            raise ValueError(
                f"per={self.per!r} needs labels: P(change) bounds the damage of the "
                "whole only; pass y"
            )
        terms = self._terms()
        return terms if self.per is None else replace(terms, legacy_accuracy=None)

    def _certified(self, book: RuleBook, entries: list[LedgerEntry], n: int) -> Self:
        """Put certificates from `n` rows in force, and say what is missing."""
        self.rules_ = book.certified_by(*entries)
        report = self.report_.under(self.rules_, self._terms(), self.per)
        self.report_ = replace(report, n_passed=n)
        self._tell(stacklevel=4)
        unused = self.report_.unused(entries)
        if unused:
            warnings.warn(unused, NotCertifiedWarning, stacklevel=3)
        return self

    def _warn_of_none_right(self, book: RuleBook, n: int) -> Self:
        kept = "certificate in force" if book.certified else "legacy answer"
        warnings.warn(
            f"no right decision among these {n:,} rows, and only right decisions "
            "certify a damage (is y in the legacy model's labels?); the "
            f"{kept} stays",
            NotCertifiedWarning,
            stacklevel=3,
        )
        return self

    def _taught_share(self, keys: FloatArray, dtype: Any = float) -> float:
        """Share of rows, by their keys, that taught in any version of the book.

        Of a fit from blocks a part of the right decisions is known, drawn at random:
        so many times as many of these rows taught as are found in it.
        """
        rules = every_rule(self.rules_)
        errors = np.concatenate([np.empty(0), *(rule.keys for rule in rules)])
        n_taught = self._usual.counts.sum() if hasattr(self, "_usual") else 0
        part = min(1.0, self._taught.size / n_taught) if n_taught else 1.0
        right = known_share(self._taught, keys, dtype) / (part or 1.0)
        return min(1.0, right + known_share(errors, keys, dtype))

    def _warn_if_taught(self, keys: FloatArray) -> None:
        """Warn if rules were learnt from many of these rows."""
        warn_about_taught_rows(self._taught_share(keys))

    def _refuse_what_was_fitted(self) -> None:
        """Refuse to forget rows that somebody else has learnt from."""
        learnt = list(self.features_.learnt_)
        if self.report_.n_unseen < self.report_.n_rows:
            learnt.append(f"the legacy model {type(self.estimator_).__name__}")
        if learnt:
            raise ValueError(
                f"{' and '.join(learnt)} learnt from rows of fit, and cannot forget "
                "them: fit again without the rows"
            )

    def _known_right(self, reading: Reading, y: Any, side: Side) -> FloatArray:
        """1 where the legacy decision is right, 0 where not, NaN where nobody knows."""
        given = column_or_1d(as_numpy(y, dtype=object))
        by_row = side.groups is None and side.calibration_weight is None
        if self.per is not None or not by_row:
            raise ValueError(
                f"y misses {int(pd.isna(given).sum()):,} labels: without them, only "
                "rows one by one are certified, without per, groups and "
                "calibration_weight; label all rows, or pass a random part of them"
            )
        check_consistent_length(reading.labels, given)
        known = ~pd.isna(given)
        right = np.full(given.size, np.nan)
        if known.any():
            labels = as_labels(given[known].tolist(), "y")
            unique_labels(self.classes_, labels)  # refuses a mix of kinds
            right[known] = reading.labels[known] == labels
        return right

    def _origin(self) -> str:
        """What certificates of this corrector speak of; rules read nothing else."""
        return origin(self._read_from, self.per)

    def _value(self) -> int | None:
        """Place of the feature with the amount at stake."""
        names = list(map(str, self.features_.names_))
        if self.value is None:
            return None
        if self.value not in names:
            raise ValueError(
                f"value={self.value!r} is none of the {len(names)} features that rules "
                f"read ({', '.join(names[:10])}); name one of them, or add the column "
                "to features"
            )
        return names.index(self.value)

    def _tell(self, stacklevel: int = 3) -> None:
        missing = self.report_.shortcoming()
        if missing:
            warnings.warn(
                f"not certified, the legacy answer is kept: {missing}",
                NotCertifiedWarning,
                stacklevel=stacklevel,
            )
        if self.verbose:
            print(self.report_)  # noqa: T201 - asked for

    def _read(self, X: Any) -> Reading:
        """Reading of rows that much is done with: in NumPy, wherever `X` is."""
        reading = self._read_there(X)
        return replace(reading, features=as_numpy(reading.features))

    def _read_there(self, X: Any) -> Reading:
        return self.features_.read(self._checked(X, reset=False))

    def _checked(self, X: Any, *, reset: bool) -> Any:
        X = indexable(X)[0]
        refuse_one_dimension(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _strata(self, labels: Array, segment: Array | None) -> Array | None:
        return strata_of(labels, segment, self.per)

    def _asked(self, X: Any, segment: Any) -> tuple[Reading, Array | None]:
        reading, strata = self._asked_there(X, segment)
        return replace(reading, features=as_numpy(reading.features)), strata

    def _asked_there(self, X: Any, segment: Any) -> tuple[Reading, Array | None]:
        if not hasattr(self, "rules_"):  # the check reads tags, dearer than one row
            check_is_fitted(self)
        reading = self._read_there(X)
        side = side_of(len(reading.labels), segment=segment)
        return reading, self._strata(reading.labels, side.segment)

    def _probabilities(self, reading: Reading, strata: Array | None) -> FloatArray:
        return Corrections.of(self.rules_, reading, strata).probabilities(
            self.classes_,
            self.features_.classes_,
            shares=hasattr(self.estimator_, "predict_proba"),
        )
