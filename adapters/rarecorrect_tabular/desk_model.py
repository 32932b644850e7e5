"""The model in service at a fraud desk, and the rows that it cannot be corrected on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect import ColumnModel, ErrorCorrector
from rarecorrect_tabular.column_encoder import ColumnEncoder
from rarecorrect_tabular.tree_model import TreeModel

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class DeskModel:
    """A vendor's score or boosted trees, whose answers are 1, fraud, and 0.

    Attributes
    ----------
    model : ColumnModel or TreeModel
    """

    model: ColumnModel | TreeModel

    @classmethod
    def of_score(
        cls,
        column: str,
        threshold: float | None = None,
        score_range: tuple[float, float] | None = None,
    ) -> Self:
        """The score of somebody else's model.

        Parameters
        ----------
        column : str
        threshold : float, optional
            Lowest score that is answered by fraud; default: 0.5, of scores from 0 to 1.
        score_range : (float, float), optional
            Scores outside are no scores; default: 0 to 1, where no threshold is given.

        Returns
        -------
        DeskModel

        Examples
        --------
        >>> vendor = DeskModel.of_score("score", score_range=(0, 1))
        >>> rows = pd.DataFrame({"score": [0.2, 0.7, None, 8]})
        >>> vendor.flaws(rows).tolist()
        ['', '', 'score is missing', 'score lies outside 0 to 1']
        >>> vendor.answers(rows).tolist()
        [0, 1, 0, 1]
        """
        model = ColumnModel(
            column, threshold=threshold, score_range=score_range, classes=(0, 1)
        )
        return cls(model)

    @classmethod
    def of_trees(cls, path: Path, threshold: float | None = None) -> Self:
        """Boosted trees as their library has saved them.

        Parameters
        ----------
        path : Path
            ``.json`` or ``.ubj`` of XGBoost, ``.txt`` of LightGBM.
        threshold : float, optional
            Of the probability of fraud; default: one half.

        Returns
        -------
        DeskModel

        Raises
        ------
        FileNotFoundError, ImportError, ValueError
            If the file is not there, its library is not, or it holds no such model.
        """
        if not path.is_file():
            raise FileNotFoundError(f"no file {str(path)!r}")
        model = TreeModel(_booster(path), threshold=threshold)
        if list(model.classes_) != [0, 1]:
            raise ValueError(
                f"{path.name!r} knows {len(model.classes_)} classes, and a fraud desk "
                "two: fraud and no fraud"
            )
        return cls(model)

    @property
    def columns(self) -> list[str]:
        """Columns that the model reads."""
        if isinstance(self.model, ColumnModel):
            return [str(self._score["score"])]
        return list(map(str, self.model.feature_names_in_))

    @property
    def layers(self) -> list[str]:
        """What rules read of the model beside columns: a score is one of them."""
        return [] if isinstance(self.model, ColumnModel) else ["margin"]

    def answers(self, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
        """What the model decides, also where nothing can be corrected.

        Parameters
        ----------
        rows : DataFrame

        Returns
        -------
        ndarray of int
            1: fraud.  A score that is missing is no fraud, as ``score >= threshold``
            says; nor is a row that XGBoost refuses, with an infinite value.
        """
        if isinstance(self.model, ColumnModel):
            scores = _numbers(rows[self.columns[0]])
            limit = self._score["threshold"]
            return np.asarray(scores >= (0.5 if limit is None else limit), np.int64)
        try:
            return np.asarray(self.model.predict(rows), dtype=np.int64)
        except ValueError:
            readable = self.flaws(rows) == ""
            if readable.all():
                raise
            found = np.zeros(len(rows), dtype=np.int64)
            if readable.any():
                found[readable] = self.model.predict(rows[readable])
            return found

    def check_scale(self, rows: pd.DataFrame) -> None:
        """Refuse scores on a scale of which nobody has said where fraud begins.

        Parameters
        ----------
        rows : DataFrame

        Raises
        ------
        ValueError
            For a score below 0 or above 1, with neither threshold nor range.

        Examples
        --------
        >>> rows = pd.DataFrame({"points": [20, 870]})
        >>> DeskModel.of_score("points").check_scale(rows)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: 'points' holds 870, so it is no probability: say from which ...
        """
        if not isinstance(self.model, ColumnModel):
            return
        if self._score["threshold"] is not None or self._score["score_range"]:
            return  # otherwise flaws takes it for a probability
        scores = _numbers(rows[self.columns[0]])
        beyond = scores[np.isfinite(scores) & ((scores < 0) | (scores > 1))]
        if beyond.size:
            worst = beyond[np.argmax(np.abs(beyond))]
            raise ValueError(
                f"{self.columns[0]!r} holds {worst:g}, so it is no probability: say "
                "from which score on it is fraud, --threshold (or --score-range 0 1, "
                "if such rows are mistakes)"
            )

    def flaws(self, rows: pd.DataFrame) -> Array:
        """Why the answer to a row is none to build on; mostly "".

        Parameters
        ----------
        rows : DataFrame

        Returns
        -------
        ndarray of str
        """
        found = np.full(len(rows), "", dtype=object)
        if isinstance(self.model, ColumnModel):
            name = self.columns[0]
            flaws_of_numbers(rows, [name], found)
            if (limits := self._limits) is not None:
                low, high = limits
                scores = _numbers(rows[name])
                text = f"{name} lies outside {low:g} to {high:g}"
                _note(found, (scores < low) | (scores > high), text)
            return found
        numbers = [c for c in self.columns if pd.api.types.is_numeric_dtype(rows[c])]
        flaws_of_numbers(rows, numbers, found, may_lack=numbers)
        return found

    @property
    def _score(self) -> dict[str, Any]:
        return self.model.get_params()

    @property
    def _limits(self) -> tuple[float, float] | None:
        """Scores that there can be: from 0 to 1 where nobody has said otherwise."""
        if self._score["score_range"] is None and self._score["threshold"] is None:
            return 0.0, 1.0
        limits: tuple[float, float] | None = self._score["score_range"]
        return limits


@dataclass(frozen=True, slots=True)
class Desk:
    """A corrector from a file, and which rows it can say something about.

    Attributes
    ----------
    corrector : ErrorCorrector
        Around a ColumnModel or a TreeModel, with a ColumnEncoder among its features.
    """

    corrector: ErrorCorrector

    @property
    def model(self) -> DeskModel:
        """The model in service."""
        return DeskModel(self.corrector.estimator_)

    @property
    def columns(self) -> list[str]:
        """Columns that every file must have."""
        return list(map(str, self.corrector.feature_names_in_))

    @property
    def numbers(self) -> list[str]:
        """Those of them that hold numbers."""
        kinds = self._encoder.kinds_ | dict.fromkeys(self._score_column, "number")
        return [name for name in self.columns if kinds.get(name) == "number"]

    @property
    def budgeted(self) -> set[int]:
        """Answers of the model, 0 or 1, that a budget bounds; others never change."""
        budget = self.corrector.max_damage
        if self.corrector.per == "class" and isinstance(budget, Mapping):
            return set(budget)
        return {0, 1}

    @property
    def left_out(self) -> dict[str, str]:
        """Columns that rules do not read since they say nothing, and why."""
        return self._encoder.left_out_

    def flaws(self, rows: pd.DataFrame) -> Array:
        """Why a row keeps the legacy answer whatever its score; mostly "".

        Parameters
        ----------
        rows : DataFrame
            After :func:`readable`.

        Returns
        -------
        ndarray of str
        """
        encoder, found = self._encoder, self.model.flaws(rows)
        filled = set(map(str, encoder.get_feature_names_out()))
        numbers = [n for n, kind in encoder.kinds_.items() if kind == "number"]
        may_lack = [n for n in numbers if f"{n} is missing" in filled]
        flaws_of_numbers(rows, numbers, found, may_lack=may_lack)
        return found

    def readable(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
        """Rows with numbers where numbers were learnt from, and what was none.

        Parameters
        ----------
        rows : DataFrame

        Returns
        -------
        rows : DataFrame
        flaws : ndarray of str
            As in :meth:`flaws`, and texts that are no numbers.
        """
        texts = np.full(len(rows), "", dtype=object)
        changed = {}
        for name in self.numbers:
            column = rows[name]
            if not pd.api.types.is_numeric_dtype(column):
                if pd.api.types.is_datetime64_any_dtype(column):
                    raise ValueError(
                        f"column {name!r} held numbers in the fit, and now dates: "
                        "convert it as for the fit"
                    )
                numbers = pd.to_numeric(column, errors="coerce")
                _note(texts, numbers.isna() & column.notna(), f"{name} is no number")
                changed[name] = numbers
        rows = rows.assign(**changed) if changed else rows
        _note(texts, texts == "", self.flaws(rows))
        return rows, texts

    def changes(
        self, rows: pd.DataFrame
    ) -> tuple[Array, npt.NDArray[np.intp], pd.DataFrame]:
        """Answers of the model, and what is done where a rule fires.

        A fraction of the time of a whole trace, where rules are trees.

        Parameters
        ----------
        rows : DataFrame
            Readable, without flaws; at least one.

        Returns
        -------
        legacy : ndarray of int of shape (n_rows,)
        fired : ndarray of int of shape (n_fired,)
            Places of these rows, rising.
        found : DataFrame of n_fired rows
            Their trace.
        """
        fix = self.corrector
        reading = fix.features_.read(rows)
        strata = reading.labels if fix.per == "class" else None
        fired, _ = fix.rules_.fires(reading.features, reading.labels, strata)
        # products of matrices take rows by four, and round those left over otherwise
        filler = np.zeros(4 - fired.size % 4, dtype=np.intp)
        found = fix.trace(rows.iloc[np.append(fired, filler)])
        return reading.labels, fired, found.iloc[: fired.size]

    @property
    def _score_column(self) -> list[str]:
        legacy = self.model
        return legacy.columns if isinstance(legacy.model, ColumnModel) else []

    @property
    def _encoder(self) -> ColumnEncoder:
        for part in self.corrector.features_.parts_:
            if isinstance(part, ColumnEncoder) and hasattr(part, "kinds_"):
                return part
        raise ValueError(
            "this corrector does not read columns of transactions: make one with "
            "`rarecorrect tabular fit`"
        )


def flaws_of_numbers(
    rows: pd.DataFrame,
    names: Iterable[str],
    found: Array,
    *,
    may_lack: Iterable[str] = (),
) -> None:
    """Note what is missing or infinite, where nothing was noted before.

    Parameters
    ----------
    rows : DataFrame
    names : iterable of str
        Columns of numbers.
    found : ndarray of str of shape (n_rows,)
        Changed in place.
    may_lack : iterable of str
        Those of `names` in which a value may be missing.
    """
    may_lack = set(may_lack)
    for name in names:
        values = _numbers(rows[name])
        if np.isfinite(values).all():
            continue
        if name not in may_lack:
            _note(found, np.isnan(values), f"{name} is missing")
        _note(found, np.isinf(values), f"{name} is infinite")


def _note(found: Array, where: Any, text: Any) -> None:
    where = np.asarray(where, dtype=bool) & (found == "")
    found[where] = text[where] if isinstance(text, np.ndarray) else text


def _numbers(column: pd.Series[Any]) -> npt.NDArray[Any]:
    """Values in their own precision, missing ones as NaN."""
    if column.dtype.kind == "f" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _booster(path: Path) -> Any:
    try:
        if path.suffix.lower() in (".json", ".ubj"):
            import xgboost

            return xgboost.Booster(model_file=str(path))
        if path.suffix.lower() == ".txt":
            import lightgbm

            return lightgbm.Booster(model_file=str(path))
    except ImportError as error:
        raise ImportError(
            f"{path.name!r} needs a library that is not installed: pip install "
            f"'rarecorrect[boosting]' ({error})"
        ) from error
    except Exception as error:  # each library has its own kind
        raise ValueError(f"{path.name!r} holds no trained model: {error}") from error
    raise ValueError(
        f"{path.name!r} must end in .json or .ubj (XGBoost: "
        "model.save_model('trees.json')) or in .txt (LightGBM: "
        "model.booster_.save_model('trees.txt')); another model gives a --score-column"
    )
