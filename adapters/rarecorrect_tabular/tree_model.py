"""TreeModel: boosted trees in service as a legacy model that shows its insides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from rarecorrect_tabular.boosters import Trees, trees_of
from rarecorrect_tabular.leaf_hashing import hashed_leaves
from rarecorrect_tabular.schema import check_columns

Array = npt.NDArray[Any]


class TreeModel(ClassifierMixin, BaseEstimator):
    """Trained trees as a classifier that is fitted, and never refitted.

    A native booster becomes a classifier.  A classifier of XGBoost, LightGBM or
    scikit-learn, alone or at the end of a pipeline, needs this only where features
    read its trees: as ``features="<layer>"`` of an ``ErrorCorrector``.

    ==================  ==============================================================
    layer               what it holds
    ==================  ==============================================================
    ``margin``          log-odds before any rounding; for more classes one score each
    ``contributions``   what each column added to it: the SHAP values of the library
    ``leaves``          the leaves of all trees, hashed to `leaf_columns` columns
    ==================  ==============================================================

    Of a frame, the columns that the trees were trained on are taken by their names;
    others may stand there.  Missing values and categories are left to the library, so
    that answers are those of the service: XGBoost 3.2 reads a category that it has not
    seen as missing, as another one, or refuses it, by its place in the alphabet.

    Parameters
    ----------
    model : Booster, classifier or Pipeline
        Fitted; never changed.  Forests of scikit-learn have leaves only.
    classes : sequence, default=None
        Labels, in the order of the scores.  ``None``: those of a classifier; 0, 1, ...
        of a booster.
    threshold : float, default=None
        Of two classes, the second one is decided where its probability is at least
        this.  ``None``: as a classifier decides; the more probable class of a booster.
    leaf_columns : int, default=64

    Raises
    ------
    ValueError
        On use: for a model without trees, a booster that is no classifier, columns
        that are missing or hold texts, a layer that there is not.

    Notes
    -----
    Begin with the raw columns, and let errors left out say whether a layer helps.  On
    new fraud types of the Handbook none does: at a damage of 0.1 % Fisher's detector
    catches .99 and .57 of scenarios 1 and 3 by raw columns, .90 and .44 with leaves,
    .34 and .44 with contributions (``tests/performance/tree_features.py``).  Those
    take 0.3 ms a row for 100 trees of depth 6; the other layers some microseconds.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> X = pd.DataFrame({"amount": [1.0, 2.0, 8.0, 9.0], "id": list("abcd")})
    >>> forest = RandomForestClassifier(5, random_state=0)
    >>> forest = forest.fit(X[["amount"]], [0, 0, 1, 1])
    >>> model = TreeModel(forest, classes=("ok", "fraud"))
    >>> model.predict(X).tolist()
    ['ok', 'ok', 'fraud', 'fraud']
    >>> corrector = ErrorCorrector(model, features="leaves")
    """

    def __init__(
        self,
        model: Any,
        *,
        classes: Sequence[Any] | None = None,
        threshold: float | None = None,
        leaf_columns: int = 64,
    ) -> None:
        self.model = model
        self.classes = classes
        self.threshold = threshold
        self.leaf_columns = leaf_columns

    @property
    def classes_(self) -> Array:
        """Labels, in the order of the columns of :meth:`predict_proba`."""
        n_classes = self._trees.n_classes
        if self.classes is None:
            return np.asarray(getattr(self._head, "classes_", np.arange(n_classes)))
        if len(self.classes) != n_classes:
            raise ValueError(
                f"classes must name the {n_classes} classes of the model, "
                f"got {list(self.classes)!r}"
            )
        return np.asarray(self.classes)

    @property
    def feature_names_in_(self) -> Array:
        """Columns that the model takes from a frame, where it knows their names."""
        names = None if self._steps else self._trees.names
        if names is None:
            return np.asarray(self._whole.feature_names_in_)
        return np.array(names, dtype=object)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Do nothing, as in a ``FrozenEstimator``: the trees are trained.

        Parameters
        ----------
        X, y : object
            Not looked at.

        Returns
        -------
        TreeModel
        """
        return self

    def predict(self, X: Any) -> Array:
        """Label of every row.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        rows = self._rows(X)
        if self.classes is None and self.threshold is None and self._is_classifier:
            return np.asarray(self._head.predict(rows)).ravel()
        shares = self._shares(rows)
        return np.asarray(self.classes_[self._winner(shares)])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of the classes, as the model gives them.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        return _both(self._shares(self._rows(X)))

    def read_layers(
        self, X: Any, names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float64], dict[str, pd.DataFrame]]:
        """Probabilities and layers, for ``features="<layer>"``.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
        names : sequence of str
            Out of ``"margin"``, ``"contributions"`` and ``"leaves"``.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes)
        tables : dict of str to DataFrame
            With names such as ``"contribution of amount"``.
        """
        trees = self._trees
        for name in names:
            if name not in trees.layers:
                raise ValueError(
                    f"there is no layer {name!r}: {type(self._head).__name__} has "
                    f"{', '.join(trees.layers)}"
                )
        rows = self._rows(X)
        tables = {name: self._layer(name, trees, rows) for name in names}
        return _both(self._shares(rows)), tables

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: the trees are trained."""
        return True

    def __sklearn_clone__(self) -> Self:
        """Return the same object: a copy of a model in service is not that model."""
        return self

    @property
    def _whole(self) -> Any:
        """The model out of any FrozenEstimator."""
        model = self.model
        while type(model).__name__ == "FrozenEstimator":
            model = model.estimator
        return model

    @property
    def _steps(self) -> Any:
        """What comes before the trees in a pipeline, or None."""
        whole = self._whole
        return whole[:-1] if len(getattr(whole, "steps", ())) > 1 else None

    @property
    def _head(self) -> Any:
        whole = self._whole
        return whole.steps[-1][1] if hasattr(whole, "steps") else whole

    @property
    def _is_classifier(self) -> bool:
        return hasattr(self._head, "predict_proba")

    @property
    def _trees(self) -> Trees:
        return trees_of(self._head)

    def _rows(self, X: Any) -> Any:
        """What the trees take of `X`."""
        steps = self._steps
        if steps is not None:
            return steps.transform(X)
        names, n_columns = self._trees.names, self._trees.n_columns
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame):
            array = X if hasattr(X, "shape") else np.asarray(X)
            _check_width(array.shape[1], n_columns, names)
            # so that the model does not warn of names it misses
            return array if names is None else pd.DataFrame(array, columns=names)
        if names is None:
            _check_width(len(frame.columns), n_columns, names)
        else:
            frame = _selected(frame, names)
        _check_types(frame)
        return frame.to_pandas()

    def _shares(self, rows: Any) -> Array:
        head = self._head
        if self._is_classifier:
            return np.asarray(head.predict_proba(rows))
        return self._trees.probabilities(rows)

    def _winner(self, shares: Array) -> npt.NDArray[np.intp]:
        if self.threshold is None:
            return np.asarray(_both(shares).argmax(axis=1))
        if shares.ndim == 2 and shares.shape[1] != 2:
            raise ValueError(
                f"threshold={self.threshold!r} is for two classes, and the model "
                f"has {shares.shape[1]}"
            )
        second = shares if shares.ndim == 1 else shares[:, 1]
        # at the precision of the model, as probability >= threshold would be
        return np.asarray(second >= second.dtype.type(self.threshold), dtype=np.intp)

    def _layer(self, name: str, trees: Trees, rows: Any) -> pd.DataFrame:
        values = trees.layers[name](rows)
        if name == "leaves":
            table = hashed_leaves(values, self.leaf_columns)
            names = [f"leaves {j}" for j in range(self.leaf_columns)]
            return pd.DataFrame(table, columns=names)
        if name == "margin":
            names = [f"margin{end}" for end in self._ends(values)]
            return pd.DataFrame(values, columns=names)
        names = [
            f"contribution of {column}{end}"
            for end in self._ends(values)
            for column in self._columns(trees)
        ]
        return pd.DataFrame(values.reshape(len(values), -1), columns=names)

    def _ends(self, scores: Array) -> list[str]:
        """What names of each score end with; there is but one for two classes."""
        if scores.shape[1] == 1:
            return [""]
        return [f" to {label}" for label in self.classes_]

    def _columns(self, trees: Trees) -> list[str]:
        steps = self._steps
        if steps is not None and hasattr(steps, "get_feature_names_out"):
            return [str(name) for name in steps.get_feature_names_out()]
        return trees.names or [f"x{j}" for j in range(trees.n_columns)]


def _both(shares: Array) -> npt.NDArray[np.float64]:
    """One column a class; a booster gives the second of two alone."""
    shares = shares.astype(np.float64)
    return shares if shares.ndim == 2 else np.column_stack([1 - shares, shares])


def _check_width(found: int, wanted: int, names: list[str] | None) -> None:
    if found != wanted:
        known = "" if names is None else f", {names[:5]} and so on"
        raise ValueError(
            f"X has {found} columns, and the trees were trained on {wanted}{known}"
        )


def _selected(frame: nw.DataFrame[Any], names: list[str]) -> nw.DataFrame[Any]:
    """The columns of the trees; LightGBM knows blanks as underscores."""
    there = {str(c).replace(" ", "_"): c for c in frame.columns}
    there |= {str(c): c for c in frame.columns}
    check_columns(names, there)
    return frame.select([there[name] for name in names])


def _check_types(frame: nw.DataFrame[Any]) -> None:
    for column in frame.iter_columns():
        kind = column.dtype
        if not (
            kind.is_numeric()
            or kind == nw.Boolean
            or kind == nw.Categorical
            or kind == nw.Enum
        ):
            raise ValueError(
                f"column {column.name!r} holds values of {kind}, and trees take "
                "numbers and categories: convert it as for their training"
            )
