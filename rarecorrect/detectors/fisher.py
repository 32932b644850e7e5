"""The clustered Fisher detector.

One class; a third of the lines says what its parameters and verbs mean.
"""

from __future__ import annotations

from functools import reduce
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve
from scipy.linalg.blas import dtrmm
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.utils.metaestimators import available_if

from rarecorrect.array_api import beside
from rarecorrect.detectors.base import BinaryDetector
from rarecorrect.moments import (
    Moments,
    by_fold,
    project,
    row_blocks,
    without_each,
)
from rarecorrect.tail_scale import TailScale
from rarecorrect.whitening import Whitening, shrinkage_intensity

FloatArray = npt.NDArray[np.float64]

_RIDGE = 1e-3


def _mergeable(detector: FisherDetector) -> bool:
    return detector.n_clusters == 1 and not detector.sphere


def _of_moments_only(detector: FisherDetector) -> bool:
    # how a subclass fits is not known here
    return type(detector) is FisherDetector and _mergeable(detector)


class FisherDetector(BinaryDetector):
    r"""Linear discriminants between right decisions and clusters of errors.

    Right decisions are whitened by their shrunk covariance.  Errors are clustered in
    these coordinates, and each cluster :math:`Y_i` gets the direction :math:`w_i = (I +
    \mathrm{Cov}(Y_i) + r I)^{-1} \mathrm{mean}(Y_i)` of unit length, its covariance
    shrunk in the same way.  A single error is enough: then :math:`w = y_w / \|y_w\|`.
    Whitening is folded into the weights.

    Parameters
    ----------
    n_components : {"all", "kaiser", "broken-stick", "condition"} or int, default="all"
        Principal components kept, see :meth:`Whitening.from_moments`.
    n_clusters : int, default=1
        Clusters of errors, at most the number of errors; empty ones are dropped.
    dispatcher : {"union", "nearest"}, default="union"
        With several clusters: the largest cluster score decides, or that of the
        nearest centroid.  Cluster scores are compared on the scale of
        :class:`~rarecorrect.tail_scale.TailScale` plus the log share of the cluster.
    shrinkage : "oas" or float in [0, 1], default="oas"
        Of the correlation matrix of right decisions, and of the whitened covariance of
        each cluster, towards a multiple of the identity.
    sphere : bool, default=False
        Project whitened rows onto the unit sphere.  Costs a second matrix product.
    random_state : int, RandomState or None, default=None
        For k-means.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    coef_ : ndarray of shape (n_clusters, n_features)
        Folded weights.
    intercept_ : ndarray of shape (n_clusters,)
        Folded offsets.
    cluster_weights_ : ndarray of shape (n_clusters,)
        Errors of each cluster, or the sum of their weights.
    whitening_ : Whitening
    moments_ : list of Moments
        Of right decisions and of errors, before whitening.
    clusters_ : list of Moments
        Of the errors of each cluster (on the sphere: in its coordinates), if clusters
        were asked for.
    cluster_labels_ : ndarray of int of shape (n_errors,)
        Cluster of every error with a weight, if clusters were asked for.
    n_features_in_ : int

    Notes
    -----
    With one cluster and no sphere, `fit` is one pass over blocks of rows in their own
    dtype, and `decision_function` is one matrix product, in standard deviations of
    right decisions by their shrunk covariance.  `predict` is ``decision_function > 0``,
    half-way between the projected means; a certified threshold comes from
    :mod:`rarecorrect.certify`.

    With ``sklearn.set_config(array_api_dispatch=True)`` that pass and that product run
    on torch tensors and other arrays where they are, and scores stay there.  What is
    fitted is NumPy's, on the CPU: the eigenvectors of one matrix, in float64 whatever
    the device has.  So a detector scores rows of every library and device, and is saved
    and exported as any other.  Several clusters and the sphere take rows to the CPU.

    References
    ----------
    A. N. Gorban et al., "High-dimensional separability for one- and few-shot
    learning", Entropy 23:1090 (2021), arXiv:2106.15416.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> right = rng.normal(size=(1000, 8))
    >>> error = np.full((1, 8), 2.0)
    >>> Z, is_error = np.vstack([right, error]), np.arange(1001) == 1000
    >>> detector = FisherDetector().fit(Z, is_error)
    >>> detector.predict(np.array([[2.1] * 8, [0.0] * 8])).tolist()
    [True, False]
    """

    moments_: list[Moments]
    clusters_: list[Moments]
    cluster_labels_: npt.NDArray[np.intp]
    _directions: FloatArray

    def __init__(
        self,
        n_components: str | int = "all",
        n_clusters: int = 1,
        dispatcher: str = "union",
        shrinkage: str | float = "oas",
        sphere: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.n_clusters = n_clusters
        self.dispatcher = dispatcher
        self.shrinkage = shrinkage
        self.sphere = sphere
        self.random_state = random_state

    @classmethod
    def from_moments(cls, right: Moments, errors: Moments, **parameters: Any) -> Self:
        """Fit to rows that are known by their moments only.

        Parameters
        ----------
        right, errors : Moments
            Of right decisions and of errors, both of positive weight.
        **parameters : object
            Of the detector: one cluster and no sphere, which need rows.

        Returns
        -------
        FisherDetector
            Equal to one fitted on the rows; labels are 0 and 1.

        Raises
        ------
        ValueError
            For several clusters, the sphere, or moments of no rows.
        """
        detector = cls(**parameters)
        detector._check_parameters()
        if not _mergeable(detector):
            raise ValueError(
                "several clusters and the sphere need rows: use fit, or n_clusters=1 "
                f"and sphere=False, got {parameters}"
            )
        detector.moments_, detector.classes_ = [right, errors], np.array([0, 1])
        detector.n_features_in_ = right.mean.size
        nothing = np.empty((0, right.mean.size))
        return detector._build(nothing, np.empty(0, dtype=np.intp), None)

    def rebuilt(
        self, right: Moments, errors: list[Moments], rows: npt.NDArray[Any]
    ) -> FisherDetector:
        """Return the detector that other moments give, built as this one was.

        Parameters
        ----------
        right : Moments
            Of right decisions, before whitening.
        errors : list of Moments
            Of the errors of each cluster, before whitening: clusters stay as they are,
            and so does the number of components.
        rows : ndarray of shape (n_rows, n_features)
            Right decisions, one at least: with several clusters, what their scores are
            compared on.

        Returns
        -------
        FisherDetector
            Another one, without ``cluster_labels_``.

        Raises
        ------
        ValueError
            For the sphere: its moments are not those of the features.
        """
        if self.sphere:
            raise ValueError("sphere=True needs rows, and moments do not hold them")
        made: FisherDetector = clone(self)
        made.classes_, made.n_features_in_ = self.classes_, self.n_features_in_
        made.moments_ = [right, reduce(Moments.merge, errors)]
        made.whitening_ = self._whitening(
            right, made.moments_[1], max(1, self.whitening_.matrix.shape[1])
        )
        made._fold(right, errors)
        if self.n_clusters > 1:
            made.clusters_ = errors
        if len(errors) > 1:
            X = np.vstack([rows, *(cluster.mean for cluster in errors)])
            w = np.array([1.0] * len(rows) + [cluster.weight for cluster in errors])
            made._fit_scales(X, (np.arange(len(X)) >= len(rows)).astype(np.intp), w)
        return made

    @available_if(_mergeable)
    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: Any = None,
    ) -> Self:
        """Add rows to the moments and rebuild the discriminant.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`; one class is enough after the first call.
        classes : array-like of shape (2,), optional
            Both labels; needed in the first call if `y` lacks one.

        Returns
        -------
        FisherDetector
            Equal to one `fit` on all rows.  Until both classes were seen there is no
            discriminant, and predicting raises ``NotFittedError``.

        Raises
        ------
        ValueError
            As in :meth:`fit`, and for labels that are not in `classes`.

        Notes
        -----
        There is no `partial_fit` with several clusters or the sphere: they need all
        rows at once.
        """
        self._check_parameters()
        first = not hasattr(self, "moments_")
        known = classes if first else self.classes_
        rows, is_error, w = self._checked(
            X, y, sample_weight, reset=first, classes=known
        )
        codes = is_error.astype(np.intp)
        found = Moments.by_code(rows, codes, 2, w)
        old = found if first else self.moments_
        self.moments_ = (
            found if first else [a.merge(b) for a, b in zip(old, found, strict=True)]
        )
        if min(m.weight for m in self.moments_) > 0:
            self._build(rows, codes, w)
        return self

    @available_if(_of_moments_only)
    def fit_left_out(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        fold: npt.NDArray[np.intp],
        sample_weight: Any = None,
    ) -> list[Self]:
        """Fit a detector without each fold: all of them in one pass.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        fold : ndarray of int of shape (n_rows,)
            0, 1, ...; a row of fold -1 is left out of none.

        Returns
        -------
        list of FisherDetector
            The first is fitted without fold 0, and so on; this one stays as it is.

        Raises
        ------
        ValueError
            As in :meth:`fit`, for the rows outside each fold.

        Examples
        --------
        >>> X, y = np.arange(12.0)[:, None], np.arange(12) >= 8
        >>> fold = np.arange(12) % 2
        >>> first, second = FisherDetector().fit_left_out(X, y, fold)
        >>> bool(np.isclose(first.coef_, FisherDetector().fit(X[1::2], y[1::2]).coef_))
        True
        """
        checked: FisherDetector = clone(self)
        checked._check_parameters()
        rows, is_error, w = checked._checked(X, y, sample_weight)
        found = []
        for moments in without_each(by_fold(rows, is_error, fold, w)):
            made = self.from_moments(*moments, **self.get_params())
            made.classes_ = checked.classes_
            found.append(made)
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")  # not before both classes were seen

    @property
    def _rows_stay(self) -> bool:
        return _mergeable(self)

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        codes = is_error.astype(np.intp)
        self.moments_ = Moments.by_code(X, codes, 2, w)
        self._build(X, codes, w)

    def _check_parameters(self) -> None:
        if self.dispatcher not in ("union", "nearest"):
            raise ValueError(
                f"dispatcher must be 'union' or 'nearest', got {self.dispatcher!r}"
            )
        if not isinstance(self.n_clusters, Integral) or self.n_clusters < 1:
            raise ValueError(
                f"n_clusters must be a whole number, 1 or more, got {self.n_clusters!r}"
            )

    def _build(
        self,
        X: npt.NDArray[Any],
        codes: npt.NDArray[np.intp],
        w: npt.NDArray[Any] | None,
    ) -> Self:
        right, errors = self.moments_
        if min(right.weight, errors.weight) == 0:
            raise ValueError(
                "a detector needs rows of two classes with positive weight; class "
                f"weights are {right.weight:g} and {errors.weight:g}"
            )
        self.whitening_ = self._whitening(right, errors, self.n_components)
        if self.sphere:
            right, errors = self._sphered_moments(X, codes, w)
        clusters = [errors]
        if self.n_clusters > 1:
            clusters = self._cluster(*_present(codes == 1, w, X))
            self.clusters_ = clusters
        self._fold(right, clusters)
        if len(clusters) > 1:
            self._fit_scales(X, codes, w)
        elif self.sphere:
            middle = (right.mean + errors.mean) / 2
            self._offset = float(middle @ self._directions[:, 0])
        return self

    def _whitening(
        self, right: Moments, errors: Moments, n_components: str | int
    ) -> Whitening:
        options: dict[str, Any] = {"shrinkage": self.shrinkage, "errors": errors}
        if self.n_components == "all":  # in any coordinates: no axes are sought
            return Whitening.triangular(right, **options)
        return Whitening.from_moments(right, n_components=n_components, **options)

    def _coordinates(self, X: npt.NDArray[Any]) -> FloatArray:
        """Whitened rows, on the sphere if asked for."""
        white = self.whitening_.transform(X)
        if self.sphere:
            white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-300)
        return white

    def _sphered_moments(
        self, X: npt.NDArray[Any], codes: npt.NDArray[np.intp], w: Any
    ) -> list[Moments]:
        k = self.whitening_.matrix.shape[1]
        totals = [Moments.empty(k), Moments.empty(k)]
        for part in row_blocks(X.shape[0]):
            weights = None if w is None else w[part]
            found = Moments.by_code(self._coordinates(X[part]), codes[part], 2, weights)
            totals = [a.merge(b) for a, b in zip(totals, found, strict=True)]
        return totals

    def _cluster(self, errors: npt.NDArray[Any], w: Any) -> list[Moments]:
        white = self._coordinates(errors)
        k = min(self.n_clusters, np.unique(white, axis=0).shape[0])
        means = KMeans(k, n_init=10, random_state=self.random_state)
        labels = means.fit_predict(white, sample_weight=w)
        found, codes = np.unique(labels, return_inverse=True)  # without empty ones
        self.cluster_labels_ = codes.astype(np.intp)
        space = white if self.sphere else errors
        return Moments.by_code(space, self.cluster_labels_, found.size, w)

    def _fold(self, right: Moments, clusters: list[Moments]) -> None:
        """Directions in whitened coordinates, folded back to the features."""
        whitening = self.whitening_
        # whitened by their shrunk covariance, right decisions have the identity
        plain = np.eye(whitening.matrix.shape[1])
        background = right.covariance if self.sphere else plain
        centre = right.mean if self.sphere else np.zeros(len(plain))
        directions, offsets, centroids, weights = [], [], [], []
        for cluster in clusters:
            white = cluster if self.sphere else _whitened(cluster, whitening)
            own = _shrunk(white.covariance, white.weight, self.shrinkage)
            w = _direction(
                background if white.weight > 1 else plain,
                own,
                white.mean - centre,
            )
            directions.append(w)
            offsets.append(float((centre + white.mean) @ w / 2))
            centroids.append(white.mean)
            weights.append(white.weight)
        self._directions = np.column_stack(directions)
        self._centroids = np.array(centroids)
        self.cluster_weights_ = np.array(weights)
        self._offset = 0.0
        self.coef_ = (whitening.matrix @ self._directions).T
        self.intercept_ = -(self.coef_ @ whitening.mean)
        if len(clusters) == 1 and not self.sphere:
            self.intercept_ = self.intercept_ - offsets[0]

    def _fit_scales(
        self, X: npt.NDArray[Any], codes: npt.NDArray[np.intp], w: Any
    ) -> None:
        """Second pass: one common scale for the scores of the clusters."""
        projected = np.vstack([self._project(X[b]) for b in row_blocks(X.shape[0])])
        right, weight = _present(codes == 0, w, projected)
        self._scales = [TailScale.from_scores(s, weight) for s in right.T]
        self._log_share = np.log(self.cluster_weights_ / self.cluster_weights_.sum())
        scores = self._dispatch(X, projected)
        parts = [_present(codes == code, w, scores) for code in (0, 1)]
        means = [np.average(part, weights=weight) for part, weight in parts]
        self._offset = float(np.mean(means))

    def _project(self, X: npt.NDArray[Any]) -> FloatArray:
        scores: FloatArray = project(X, self.coef_.T) + beside(self.intercept_, X)
        if self.sphere:
            norms = np.linalg.norm(self.whitening_.transform(X), axis=1, keepdims=True)
            scores = scores / np.maximum(norms, 1e-300)
        return scores

    def _dispatch(self, X: npt.NDArray[Any], projected: FloatArray) -> FloatArray:
        scaled = np.column_stack(
            [g(s) for g, s in zip(self._scales, projected.T, strict=True)]
        )
        scaled += self._log_share
        if self.dispatcher == "union":
            return np.asarray(scaled.max(axis=1))
        white = self._coordinates(X)
        half_norms = (self._centroids**2).sum(axis=1) / 2
        nearest = np.argmax(white @ self._centroids.T - half_norms, axis=1)
        return np.asarray(scaled[np.arange(len(scaled)), nearest])

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        projected = self._project(X)
        if self.coef_.shape[0] == 1:
            return projected[:, 0] - self._offset
        return self._dispatch(X, projected) - self._offset


def _present(
    inside: npt.NDArray[np.bool_], w: Any, values: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], Any]:
    """Values and weights of some rows; a row of weight 0 is not there."""
    if w is None:
        return values[inside], None
    inside = inside & (w > 0)
    return values[inside], w[inside]


def _whitened(moments: Moments, whitening: Whitening) -> Moments:
    m, scatter = whitening.matrix, moments.scatter
    if m.shape[0] == m.shape[1] and not np.tril(m, -1).any():  # half the work
        white = dtrmm(1.0, m, dtrmm(1.0, m, scatter, side=1), trans_a=1)
    else:
        white = m.T @ scatter @ m
    return Moments(moments.weight, (moments.mean - whitening.mean) @ m, white)


def _direction(
    background: FloatArray, own: FloatArray, target: FloatArray
) -> FloatArray:
    """Fisher's direction of unit length, from two covariances and a mean difference."""
    p = target.size
    if p > 0:
        total = background + own
        total.flat[:: p + 1] += _RIDGE * max(np.trace(total) / p, 1e-300)
        target = np.asarray(solve(total, target, assume_a="pos"), dtype=np.float64)
    length = np.linalg.norm(target)
    return np.asarray(target / length if length > 0 else target)


def _shrunk(covariance: FloatArray, n: float, shrinkage: str | float) -> FloatArray:
    """Covariance of a cluster of errors, shrunk as much as its few rows ask for."""
    p = covariance.shape[0]
    if n <= 1 or p == 0:
        return covariance
    trace, square = np.trace(covariance), np.sum(covariance**2)
    amount = shrinkage_intensity(shrinkage, p, trace, square, n)
    shrunk = (1 - amount) * covariance
    shrunk.flat[:: p + 1] += amount * trace / p
    return np.asarray(shrunk)
