"""Correctors to test, the rows they see, and what they say."""

from __future__ import annotations

import re
import warnings

import numpy as np
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector, NotCertifiedWarning

NAMES = ["amount", "age", "n_days", "risk"]  # of the columns, in frames


def segments(n):
    return np.array(["web", "shop"])[np.arange(n) % 2]


def corrector_of(data, *, model=None, **options):
    """A corrector with a budget that certifies on few rows."""
    options = {"max_damage": 0.05, "random_state": 0, **options}
    return ErrorCorrector(data.model if model is None else model, **options)


def fitted(data, *, rows=slice(None), side=None, **options):
    """The same, fitted."""
    corrector = corrector_of(data, **options)
    return corrector.fit(data.X[rows], data.y[rows], **(side or {}))


def around(model, **options):
    """A corrector of a model that may be right more rarely."""
    options = {"max_damage": 0.1, "random_state": 0, **options}
    return ErrorCorrector(model, **options)


def quietly(call):
    """What a call returns that may certify nothing, and says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        return call()


def keeps_the_legacy_answer(corrector, data):
    found = corrector.predict(data.X_new)
    assert_array_equal(found, data.model.predict(data.X_new))
    assert not corrector.trace(data.X_new)["changed"].any()
    return True


def fit_with_warnings(corrector, *rows, **side):
    """Texts of the warnings of a fit, by category."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.fit(*rows, **side)
    return {w.category: str(w.message) for w in caught}


# --- where all that is said is listened to --------------------------------------------


def draw(n, seed, *, new=(2,), share=0.05, ones=1.0):
    """Rows of 0 and 1 told by one column; of new labels, told by another."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(int(3 * n), 4))
    y = (X[:, 0] > 0).astype(int)
    kept = (y == 0) | (rng.random(len(y)) < ones)
    X, y = X[kept][:n], y[kept][:n]
    is_new = rng.random(n) < share
    X[is_new, 3] += 6
    y[is_new] = rng.choice(new, size=is_new.sum())
    return X, y


MODEL = LogisticRegression().fit(*draw(2000, 0, share=0.0))


def fit(X, y, *, side=None, **options):
    """A corrector and what it warned of while it was fitted."""
    corrector = ErrorCorrector(MODEL, random_state=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.fit(X, y, **(side or {}))
    return corrector, [str(w.message) for w in caught]


def certify(corrector, *rows, **side):
    """What a corrector warns of while it certifies again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.certify(*rows, **side)
    assert {w.category for w in caught} <= {NotCertifiedWarning}
    return [str(w.message) for w in caught]


def only(X, y, label):
    """Rows that the legacy model gives a label."""
    kept = MODEL.predict(X) == label
    return X[kept], y[kept]


def line_of(corrector, name):
    """What the report says of a rule."""
    lines = str(corrector.report_).splitlines()
    return next(line for line in lines if line.split()[:3] == ["rule", *name.split()])


def claimed(corrector, name):
    """Interval of the gain in the report, in percent."""
    low, high = re.search(r"\((\d+)-(\d+) %", line_of(corrector, name)).groups()
    return int(low), int(high)


def number(pattern, text):
    """A number that a message names."""
    return int(re.search(pattern, text).group(1).replace(",", ""))
