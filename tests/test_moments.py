"""Moments: one pass, mergeable, in the dtype of the rows; projections: float64."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rarecorrect.moments import BLOCK_ROWS, Moments, project, row_blocks


def rows_of(n, p=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, p)) * [1, 5, 0.1, 3] + [0, 100, -2, 7]).astype(dtype)


def assert_same(a, b, rtol=1e-10):
    assert_allclose(a.weight, b.weight)
    assert_allclose(a.mean, b.mean, rtol=rtol)
    assert_allclose(
        a.scatter, b.scatter, rtol=rtol, atol=rtol * np.abs(b.scatter).max()
    )


@pytest.mark.parametrize("n", [1, 2, 7, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_the_same_as_numpy(n):
    rows = rows_of(n)
    found = Moments.from_rows(rows)
    assert found.weight == n
    assert_allclose(found.mean, rows.mean(axis=0))
    assert_allclose(found.covariance, np.cov(rows.T, bias=True), atol=1e-10)
    assert_allclose(found.variance, rows.var(axis=0), atol=1e-10)


@given(
    cuts=st.lists(st.integers(0, 60), min_size=2, max_size=6),
    seed=st.integers(0, 99),
    weighted=st.booleans(),
)
def test_merging_parts_of_any_size_in_any_bracketing_is_the_whole(cuts, seed, weighted):
    rows = rows_of(60, seed=seed)
    w = np.random.default_rng(seed).integers(0, 4, size=60) if weighted else None
    edges = [0, *sorted(cuts), 60]
    parts = [
        Moments.from_rows(rows[a:b], None if w is None else w[a:b])
        for a, b in pairwise(edges)
    ]
    left = parts[0]
    for part in parts[1:]:
        left = left.merge(part)
    right = parts[-1]
    for part in parts[-2::-1]:
        right = part.merge(right)
    whole = Moments.from_rows(rows, w)
    assert_same(left, whole)
    assert_same(right, whole)


def test_no_rows_change_nothing():
    some = Moments.from_rows(rows_of(5))
    assert_same(some.merge(Moments.empty(4)), some)
    assert_same(Moments.empty(4).merge(some), some)
    assert Moments.from_rows(np.empty((0, 4))).weight == 0


def test_a_weight_is_a_repetition():
    rows, w = rows_of(50), np.arange(50) % 3
    assert_same(Moments.from_rows(rows, w), Moments.from_rows(np.repeat(rows, w, 0)))


def test_rows_of_weight_zero_are_not_there():
    rows, w = rows_of(50), np.arange(50) >= 20
    assert_same(Moments.from_rows(rows, w), Moments.from_rows(rows[20:]))
    assert Moments.from_rows(rows, np.zeros(50)).weight == 0


def test_by_code_is_each_code_on_its_own():
    rows = rows_of(BLOCK_ROWS + 100)
    codes = np.random.default_rng(1).integers(0, 3, size=len(rows))
    found = Moments.by_code(rows, codes, 4)
    for code in range(3):
        assert_same(found[code], Moments.from_rows(rows[codes == code]))
    assert found[3].weight == 0


def test_a_single_row_has_no_spread():
    found = Moments.from_rows(rows_of(1))
    assert not found.covariance.any()


@pytest.mark.parametrize("offset", [0.0, 5e4])
def test_float32_rows_lose_little_even_far_from_zero(offset):
    rows = (rows_of(3 * BLOCK_ROWS) + offset).astype(np.float32)
    found, exact = Moments.from_rows(rows), Moments.from_rows(rows.astype(np.float64))
    sd = np.sqrt(exact.variance)
    assert (np.abs(found.mean - exact.mean) / sd).max() < 1e-6
    error = np.abs(found.covariance - exact.covariance) / np.outer(sd, sd)
    assert error.max() < 1e-5


@pytest.mark.parametrize(
    ("dtype", "scale", "rtol"),
    [(np.float16, 1.0, 1e-3), (np.float16, 1e4, 1e-3), (np.float32, 1e36, 1e-5)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_may_leave_the_range_of_the_rows(dtype, scale, rtol, weighted):
    rows = (np.random.default_rng(0).normal(1, 1, size=(9000, 3)) * scale).astype(dtype)
    weight = np.full(9000, 2.0) if weighted else None
    found = Moments.from_rows(rows, weight)
    assert_same(found, Moments.from_rows(rows.astype(np.float64), weight), rtol)


@pytest.mark.parametrize("first", [1, BLOCK_ROWS, 3 * BLOCK_ROWS])
def test_float32_rows_lose_little_where_their_mean_jumps(first):
    rows = rows_of(6 * BLOCK_ROWS)
    rows[first:] += 1e4  # far from the mean of the rows before
    rows[-first:, 0] = 7.0
    rows = rows.astype(np.float32)
    found, exact = Moments.from_rows(rows), Moments.from_rows(rows.astype(np.float64))
    sd = np.sqrt(exact.variance)
    assert (np.abs(found.mean - exact.mean) / sd).max() < 1e-5
    error = np.abs(found.covariance - exact.covariance) / np.outer(sd, sd)
    assert error.max() < 1e-5


def test_a_variance_is_never_negative():
    rows = np.full((10, 1), 0.1, dtype=np.float32) + np.float32(1e6)
    assert Moments.from_rows(rows).variance[0] >= 0


def test_no_float64_copy_of_the_whole():
    rows = np.zeros((100_000, 16), dtype=np.float32)
    tracemalloc.start()
    Moments.from_rows(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * rows.nbytes


@given(n=st.integers(0, 50), size=st.integers(1, 20))
def test_blocks_cover_all_rows_in_order(n, size):
    found = [i for part in row_blocks(n, size) for i in range(n)[part]]
    assert found == list(range(n))


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_projection_is_exact_in_every_company(shape, dtype, order):
    rows = np.asarray(rows_of(100_000) + 1e4, dtype=dtype, order=order)
    weights = np.random.default_rng(1).normal(size=shape)
    found = project(rows, weights)
    assert found.dtype == np.float64
    assert_allclose(found, rows.astype(float) @ weights, rtol=0, atol=1e-10)
    for start in (0, 7, 99_990):
        few = project(rows[start : start + 7], weights)
        assert_allclose(few, found[start : start + 7], rtol=0, atol=1e-10)


def test_a_projection_of_nothing():
    assert project(np.empty((0, 3)), np.ones(3)).shape == (0,)
    assert project(np.empty((2, 0)), np.empty((0, 1))).tolist() == [[0.0], [0.0]]


def test_a_projection_makes_no_float64_copy_of_the_whole():
    rows = np.ones((100_000, 64), dtype=np.float32)
    tracemalloc.start()
    project(rows, np.ones(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.2 * rows.nbytes
