"""Correctors to save, and what must be the same after they are loaded."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector, NotCertifiedWarning
from rarecorrect._files.archive import pack
from rarecorrect.files import load, save
from rarecorrect.probe import Probe


def fitted(data, *, model=None, X=None, y=None, side=None, **options):
    """A corrector with its probe, around a model that never saw class 2."""
    model = data.model if model is None else model
    X, y = data.X if X is None else X, data.y if y is None else y
    options = {"max_damage": 0.05, "random_state": 0, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        corrector = ErrorCorrector(model, **options).fit(X, y, **(side or {}))
    corrector.probe_ = Probe.of(X, corrector.estimator_)
    return corrector


def through_a_file(corrector, folder, *, model=None, trusted=(), **options):
    path = folder / "corrector.rc"
    save(corrector, path, **options)
    stored = options.get("with_estimator", False)
    model = None if stored else corrector.estimator_ if model is None else model
    return load(path, estimator=model, trusted=trusted)


def same(one, other):
    """Whether two values are of the same type and equal to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype.kind == "O":
            return all(map(same, one.ravel().tolist(), other.ravel().tolist()))
        return one.tobytes() == other.tobytes()
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if hasattr(type(one), "__dataclass_fields__"):
        return all(same(getattr(one, n), getattr(other, n)) for n in _fields(one))
    if one != one:  # NaN
        return other != other
    return bool(one == other)


def _fields(record):
    # detectors hold foreign objects: what they decide is compared
    left_out = ("detector", "book", "earlier", "later", "background")
    return [n for n in type(record).__dataclass_fields__ if n not in left_out]


def assert_the_same(corrector, again, rows, *, segment=None):
    """All that a user can see of two correctors is equal, bit for bit."""
    side = {} if segment is None else {"segment": segment}
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(corrector, method):
            one, two = (getattr(c, method)(rows, **side) for c in (corrector, again))
            assert same(one, two), method
    assert same(corrector.predict(rows, **side), again.predict(rows, **side))
    pd.testing.assert_frame_equal(
        corrector.trace(rows, **side), again.trace(rows, **side), check_exact=True
    )
    assert str(corrector.report_) == str(again.report_)
    assert same(corrector.report_, again.report_)
    assert_books_are_the_same(corrector.rules_, again.rules_)
    assert same(corrector.classes_, again.classes_)
    assert_array_equal(corrector.calibration_indices_, again.calibration_indices_)
    for name, value in corrector.get_params(deep=False).items():
        if name not in ("estimator", "features", "detector", "random_state"):
            assert same(value, getattr(again, name)), name


def assert_books_are_the_same(book, other):
    assert book.history == other.history
    assert same(book.entries, other.entries)
    while True:
        assert same(book, other)
        assert [r.digest for r in book] == [r.digest for r in other]
        assert book.certified == other.certified
        assert str(book.certificate()) == str(other.certificate())
        if not book.earlier:
            break
        book, other = book.undo(), other.undo()


# --- files that somebody has changed --------------------------------------------------


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_manifest(path, change):
    """Bytes of a whole file in which the manifest is another."""
    members = members_of(path)
    manifest = json.loads(members["manifest.json"])
    found = change(manifest)
    manifest = manifest if found is None else found
    members["manifest.json"] = json.dumps(manifest).encode()
    return pack(members)


def with_member(path, name, data, *, known=True):
    """Bytes of a whole file with another member; `known`: its digest is right."""
    members = {**members_of(path), name: data}
    if known:
        manifest = json.loads(members["manifest.json"])
        manifest["sha256"][name] = hashlib.sha256(data).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()
    return pack(members)


def sealed(archive: io.BytesIO):
    """Bytes of a zip that somebody made by hand, with the right digest at its end."""
    with zipfile.ZipFile(archive, "a") as file:
        file.comment = b"sha256:" + b"0" * 64
    return digested(archive.getvalue())


def digested(whole):
    """The same bytes with the right digest at their end."""
    return whole[:-64] + hashlib.sha256(whole[:-64]).hexdigest().encode()


def text_model(data):
    names = np.array(["no", "yes"])
    return LogisticRegression().fit(data.X_new, names[data.y_new % 2])
