"""Whitening: unit variance, whatever the units, with honest shrinkage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rarecorrect.moments import Moments
from rarecorrect.whitening import Whitening, broken_stick

RNG = np.random.default_rng(0)
MIXED = RNG.normal(size=(6, 6))
ROWS = RNG.normal(size=(400, 6)) @ MIXED * [1, 10, 1e3, 1e-3, 1, 1] + 5


def whitening_of(rows, errors=None, **options):
    found = None if errors is None else Moments.from_rows(np.asarray(errors))
    return Whitening.from_moments(Moments.from_rows(rows), errors=found, **options)


def correlation_eigenvalues(rows):
    return np.linalg.eigvalsh(np.corrcoef(rows.T))[::-1]


def test_whitened_rows_have_unit_covariance_and_no_mean():
    white = whitening_of(ROWS, shrinkage=0.0).transform(ROWS)
    assert_allclose(np.cov(white.T, bias=True), np.eye(6), atol=1e-9)
    assert_allclose(white.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("shrinkage", ["oas", 0.0, 0.3, 1.0])
def test_matrix_inverts_the_shrunk_covariance(shrinkage):
    found = whitening_of(ROWS, shrinkage=shrinkage)
    sd, r = ROWS.std(axis=0), np.corrcoef(ROWS.T)
    shrunk = (1 - found.shrinkage) * r + found.shrinkage * np.eye(6)
    product = found.matrix @ found.matrix.T * np.outer(sd, sd)
    assert_allclose(product, np.linalg.inv(shrunk), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shrinkage", ["oas", 0.0, 0.3, 1.0])
def test_the_triangular_form_is_the_same_rotated(shrinkage):
    rows = np.column_stack([ROWS, np.ones(len(ROWS)), ROWS[:, 0]])  # dead, and a twin
    right = Moments.from_rows(rows)
    errors = Moments.from_rows(rows[:3] + 1)
    options = {"shrinkage": shrinkage, "errors": errors}
    one = Whitening.from_moments(right, **options)
    other = Whitening.triangular(right, **options)
    assert_allclose(other.shrinkage, one.shrinkage)
    inverse = one.matrix @ one.matrix.T
    size = np.sqrt(np.outer(np.diag(inverse), np.diag(inverse))) + 1e-300
    assert_allclose(other.matrix @ other.matrix.T / size, inverse / size, atol=1e-9)


def test_oas_is_the_published_formula():
    n, p, s = 400, 6, np.corrcoef(ROWS.T)
    trace, square = np.trace(s), np.trace(s @ s)
    above = (1 - 2 / p) * square + trace**2
    below = (n + 1 - 2 / p) * (square - trace**2 / p)
    assert_allclose(whitening_of(ROWS).shrinkage, above / below)


def test_few_rows_shrink_more():
    assert whitening_of(ROWS[:8]).shrinkage > 5 * whitening_of(ROWS).shrinkage


@given(
    scale=st.lists(st.floats(1e-2, 1e3), min_size=6, max_size=6),
    shift=st.floats(-100, 100),
)
def test_units_do_not_matter(scale, shift):
    plain, scaled = whitening_of(ROWS), whitening_of(ROWS * scale + shift)
    gram = plain.transform(ROWS[:20]) @ plain.transform(ROWS[:20]).T
    other = scaled.transform(ROWS[:20] * scale + shift)
    assert_allclose(other @ other.T, gram, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("all", lambda v: v > 0),
        ("kaiser", lambda v: v > v.mean()),
        ("condition", lambda v: v > v[0] / 10),
        (2, lambda v: np.arange(v.size) < 2),
        (99, lambda v: v > 0),
    ],
)
def test_component_rules_keep_what_they_say(rule, kept):
    values = correlation_eigenvalues(ROWS)
    found = whitening_of(ROWS, n_components=rule, shrinkage=0.0)
    assert_allclose(found.eigenvalues, values[kept(values)], rtol=1e-6)
    assert found.matrix.shape == (6, kept(values).sum())


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
@example([0.6, 0.2])  # both at their expectation
def test_broken_stick_is_its_definition(values):
    values, p = np.sort(values)[::-1], len(values)
    k = 0
    while k < p and values[k] / values.sum() >= sum(
        1 / i for i in range(k + 1, p + 1)
    ) / p * (1 - 1e-12):
        k += 1
    assert broken_stick(values) == k


def test_broken_stick_keeps_one_component_at_least():
    flat = np.vstack([np.eye(3), -np.eye(3)])  # equal eigenvalues: no stick is long
    found = whitening_of(flat, n_components="broken-stick", shrinkage=0.0)
    assert found.matrix.shape[1] == 1


def test_collinear_features_cost_a_component_without_shrinkage():
    doubled = np.column_stack([ROWS, 3 * ROWS[:, 0] - 1])
    found = whitening_of(doubled, shrinkage=0.0)
    assert found.matrix.shape == (7, 6)
    assert_allclose(np.cov(found.transform(doubled).T, bias=True), np.eye(6), atol=1e-6)


@pytest.mark.parametrize("shrinkage", ["oas", 0.0])
def test_more_features_than_rows(shrinkage):
    rows = np.random.default_rng(1).normal(size=(10, 40))
    white = whitening_of(rows, shrinkage=shrinkage).transform(rows)
    assert np.isfinite(white).all()
    assert np.linalg.matrix_rank(white) == 9


def test_constant_features_have_no_weight():
    with_constant = np.column_stack([ROWS, np.full(400, 0.1)])
    found = whitening_of(with_constant)
    assert not found.matrix[6].any()
    assert_allclose(found.matrix[:6] ** 2, whitening_of(ROWS).matrix ** 2, rtol=1e-6)


def test_a_flag_that_no_right_decision_has_is_strong_evidence():
    rows = np.column_stack([ROWS, np.zeros(400)])
    error = np.append(ROWS[0], 1.0)[None]
    white = whitening_of(rows, errors=error).transform(np.vstack([rows, error]))
    length = np.linalg.norm(white, axis=1)
    assert np.isfinite(length).all()
    assert length[-1] > length[:-1].max()


@pytest.mark.parametrize("constant", [0.0, 1e9, 1e-9])
def test_all_features_constant(constant):
    rows = np.full((10, 3), constant)
    found = whitening_of(rows)
    assert not found.transform(rows).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": "most"}, "kaiser.*'most'"),
        ({"n_components": 0}, "1 or more, got 0"),
        ({"n_components": 1.5}, "1 or more, got 1.5"),
        ({"shrinkage": "ledoit"}, "'oas' or a number.*'ledoit'"),
        ({"shrinkage": 1.5}, r"\[0, 1\], got 1.5"),
        ({"shrinkage": np.nan}, "got nan"),
    ],
)
def test_wrong_parameters_are_quoted(options, message):
    with pytest.raises(ValueError, match=message):
        whitening_of(ROWS, **options)
