"""Save a corrector to one file and load it, without pickle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rarecorrect._files.archive import FileFormatError, pack
from rarecorrect._files.checks import is_a, require
from rarecorrect._files.corrector import (
    read_corrector,
    read_model,
    read_probe,
    read_threshold,
    write_corrector,
)
from rarecorrect._files.forms import FORMS
from rarecorrect._files.reading import Reader, untrusted_types
from rarecorrect._files.whole import open_file, open_members, put, refusing, sealed
from rarecorrect._files.writing import Writer
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.features import _own_threshold
from rarecorrect.legacy_model import check_legacy_model
from rarecorrect.probe import Probe

__all__ = ["FileFormatError", "load", "save"]

_Path = str | os.PathLike[str]


def save(
    corrector: ErrorCorrector,
    path: _Path,
    *,
    with_estimator: bool = False,
    with_background: bool = False,
) -> None:
    """Write a fitted corrector to a file, whole or not at all.

    The file is one zip: a manifest in JSON with the parameters, the rules, all versions
    of the book and its ledger; the arrays; and what has no plain form, by skops.  There
    is no pickle in it, and unless you ask for it no row: the legacy model is known
    again by its answers to synthetic ones, see :class:`~rarecorrect.probe.Probe`.
    Versions that were undone are not kept: what is loaded has nothing to redo.

    Parameters
    ----------
    corrector : ErrorCorrector
        Fitted.
    path : str or path
        A file that is there is replaced in one step: whoever loads it meanwhile gets
        the old one or the new one.
    with_estimator : bool, default=False
        Also store the legacy model, by skops.  A :class:`ColumnModel` always is.
    with_background : bool, default=False
        Also store the features of right decisions that :meth:`ErrorCorrector.add` needs
        to learn from new errors and to certify again, and of errors that rules keep
        (``keep_errors=True``).  They may be personal data.

    Raises
    ------
    ValueError
        If something cannot be stored; nothing is written then.
    NotFittedError
        If the corrector is not fitted.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(3000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model = LogisticRegression().fit(X[:500][old], y[:500][old])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:2000], y[500:2000])
    >>> path = Path(mkdtemp()) / "corrector.rc"
    >>> save(corrector, path, with_estimator=True)
    >>> again = load(path)
    >>> bool((again.predict(X) == corrector.predict(X)).all())
    True
    >>> print(again.rules_.certificate())
    changes at most 1 % of right decisions (96 % confidence, 506 rows, 1 above)
    """
    if type(corrector) is not ErrorCorrector:
        raise ValueError(
            f"only an ErrorCorrector can be saved, got {type(corrector).__name__}"
        )
    check_is_fitted(corrector)
    parts = {"with_estimator": with_estimator, "with_background": with_background}
    put(Path(path), _packed(corrector, **parts))


def load(
    path: _Path, *, estimator: Any = None, trusted: Collection[Any] = ()
) -> ErrorCorrector:
    """Read a corrector from a file; this runs no code that the file brings.

    Every byte is checked against a digest, every part against what it must be.

    Parameters
    ----------
    path : str or path
    estimator : classifier, optional
        The fitted legacy model, needed where the file holds none.  It must give the
        answers that the model gave when the corrector was fitted, and have the same
        threshold, if it had one (``threshold`` or ``best_threshold_``).
    trusted : list of str or type, default=()
        Types that skops may make, beside those of numpy, scikit-learn and this package
        that it knows to be harmless.  Never take this list from the file: look at what
        these types do first.

    Returns
    -------
    ErrorCorrector
        Its `estimator` is the fitted model, also where that was fitted by the
        corrector.

    Raises
    ------
    FileFormatError
        If the file is damaged, from a later version, no file of this kind, or holds
        types that are not trusted.
    ValueError
        If there is no model, or another one: both thresholds are named, or the first
        answer that differs.

    Warns
    -----
    UserWarning
        If the model cannot be checked, because no synthetic rows could be made.

    Examples
    --------
    A file holds no model, unless it was saved with it:

    >>> from tempfile import mkdtemp
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_blobs(2000, centers=3, cluster_std=1.5, random_state=1)
    >>> old = y[:500] != 2
    >>> model, other = (
    ...     LogisticRegression(C=C).fit(X[:500][old], y[:500][old]) for C in (1, 1e-3)
    ... )
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X[500:], y[500:])
    >>> path = Path(mkdtemp()) / "corrector.rc"
    >>> save(corrector, path)
    >>> [event.what for event in load(path, estimator=model).rules_.history]
    ['fit']
    >>> load(path, estimator=other)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: this LogisticRegression is not the model that ... probe row 0 (...
    """
    if isinstance(trusted, str | bool) or not isinstance(trusted, Collection):
        raise ValueError(f"trusted must be a list of types, got {trusted!r}")
    where = os.fspath(path)
    members = open_file(path)
    with refusing(where):
        manifest, reader = open_members(members, trusted)
        stored = read_model(manifest, reader, needed=estimator is None)
        probe, classes = read_probe(manifest, reader)
        limit = read_threshold(manifest, reader)
    model = stored if estimator is None else estimator
    if model is None:
        raise ValueError(
            f"{where} does not hold its legacy model, a {manifest['model']['name']}: "
            "pass it with load(path, estimator=model), or save with_estimator=True"
        )
    _check_model(model, probe, classes, limit, where)
    with refusing(where):
        return _opened(manifest, reader, model, probe)


def _packed(corrector: ErrorCorrector, **parts: bool) -> bytes:
    """The bytes of a file that can be read back."""
    writer = Writer(FORMS)
    manifest = write_corrector(corrector, writer, **parts)
    members = sealed(manifest, writer.arrays, writer.members)
    trusted = untrusted_types(writer.members.values())
    with refusing("the corrector cannot be stored", ValueError):
        manifest, reader = open_members(members, trusted)
        read_model(manifest, reader)
        probe, _ = read_probe(manifest, reader)
        _opened(manifest, reader, corrector.estimator_, probe)
    return pack(members)


def _opened(
    manifest: dict[str, Any], reader: Reader, model: Any, probe: Probe | None
) -> ErrorCorrector:
    corrector = read_corrector(manifest, reader, model)
    corrector.probe_ = probe
    require(not reader.unused(), f"nothing refers to {reader.unused()}")
    if probe is not None and is_a(corrector.features_.sources_, list[str]):
        # it must answer; functions of the user may know more than synthetic rows
        segment = np.zeros(len(probe.labels)) if corrector.per == "segment" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            corrector.trace(probe.rows, segment=segment)
    return corrector


def _check_model(
    model: Any,
    probe: Probe | None,
    known: Any,
    limit: tuple[bool, float | None],
    path: str,
) -> None:
    check_legacy_model(model)
    classes = np.asarray(getattr(model, "classes_", known))
    (is_known, old), new = limit, _own_threshold(model)
    different = ""
    if classes.tolist() != known.tolist():
        different = f"it knows the labels {classes.tolist()}, not {known.tolist()}"
    elif is_known and repr(new) != repr(old):  # NaN is that of the fit, too
        different = (
            f"its threshold is {new}, and that of the fit was {old}: pass the model "
            "with the threshold of the fit, or fit again"
        )
    elif probe is not None:
        different = probe.difference(model)
    else:
        warnings.warn(
            f"{path} holds no synthetic rows: it cannot be checked that the model is "
            "the one that the corrector was fitted around",
            UserWarning,
            stacklevel=3,
        )
    if different:
        raise ValueError(
            f"this {type(model).__name__} is not the model that {path} was saved "
            f"around: {different}"
        )
