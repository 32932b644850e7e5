"""Rows are known again, and others are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rarecorrect.row_mark import RowMark, fingerprint_of_rows
from rarecorrect.training_rows import row_keys

ROWS = np.random.default_rng(0).normal(size=(9000, 3))


@given(
    cuts=st.lists(st.integers(0, 500), max_size=6),
    seed=st.integers(0, 9),
    layout=st.sampled_from("CF"),
)
def test_the_same_in_every_order_and_any_blocks(cuts, seed, layout):
    rows, mark = ROWS[:500], RowMark()
    shuffled = np.random.default_rng(seed).permutation(rows)
    for block in np.split(shuffled, sorted(cuts)):
        mark.add(np.asarray(block, order=layout))
    assert mark.digest == fingerprint_of_rows(rows)


@pytest.mark.parametrize(
    "rows", [ROWS, np.round(ROWS), ROWS > 0], ids=["any", "round", "bits"]
)
def test_any_change_is_another_mark(rows):
    rows = rows.astype(float)
    marks = {fingerprint_of_rows(rows)}
    changes = [
        rows[1:],
        np.vstack([rows, rows[:1]]),
        rows[:, ::-1],
        rows + (np.arange(9000) == 7)[:, None],
        np.where(np.arange(27000).reshape(9000, 3) == 5, -rows - 1, rows),
        np.where(np.arange(27000).reshape(9000, 3) == 5, np.nan, rows),
        np.column_stack([rows, np.zeros(9000)]),
    ]
    swapped = rows.copy()
    swapped[:2, 0] = rows[1, 0] + 1, rows[0, 0]
    marks |= {fingerprint_of_rows(other) for other in [*changes, swapped]}
    assert len(marks) == len(changes) + 2


def test_all_rows_have_hashes_of_their_own():
    grid = np.stack(np.meshgrid(*[np.arange(40.0)] * 3), axis=-1).reshape(-1, 3)
    marks = {fingerprint_of_rows(row[None]) for row in grid[::7]}
    assert len(marks) == len(grid[::7])


def test_the_type_of_numbers_and_the_sign_of_zero_do_not_count():
    rows = np.array([[0.0, 1.5], [2.0, -3.0]])
    expected = fingerprint_of_rows(rows)
    assert fingerprint_of_rows(rows.astype(np.float32)) == expected
    assert fingerprint_of_rows(np.array([[-0.0, 1.5], [2.0, -3.0]])) == expected


def test_no_rows_have_a_mark_too():
    assert fingerprint_of_rows(np.empty((0, 3))) == RowMark().digest


def test_keys_do_not_depend_on_how_rows_lie_in_memory():
    rows = ROWS[:500].repeat(40, axis=1)
    rows[3, 2] = np.inf
    keys = row_keys(rows)
    np.testing.assert_array_equal(row_keys(np.asfortranarray(rows)), keys)
    np.testing.assert_array_equal(row_keys(rows[:5]), keys[:5])
