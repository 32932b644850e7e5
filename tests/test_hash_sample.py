"""Random parts of a stream: the same whatever the blocks, mergeable."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from rarecorrect.hash_sample import HashSample, row_hashes


def cuts(n: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, n), max_size=6).map(sorted)


def sampled(kinds, hashes, cut, most, least=1):
    found = HashSample(most, least)
    for low, high in zip([0, *cut], [*cut, hashes.size], strict=True):
        found.add(hashes[low:high], kinds[low:high], row=np.arange(low, high))
    return found


def kept(sample):
    """Rows by rising hash."""
    found = sample.columns()
    return found["row"][np.argsort(found["hash"])]


def smallest(kinds, hashes, share):
    """What a sample must hold, by sorting all."""
    order = np.argsort(hashes)
    of_each = [order[kinds[order] == kind][:share] for kind in np.unique(kinds)]
    rows = np.concatenate(of_each)
    return rows[np.argsort(hashes[rows])]


@given(cuts(400), cuts(400), st.integers(0, 5), st.integers(1, 90))
def test_parts_merge_to_the_sample_of_the_whole(cut, again, seed, most):
    kinds = np.random.default_rng(seed).choice(
        ["a", "b", "c"], 400, p=[0.9, 0.08, 0.02]
    )
    hashes = row_hashes(0, 400, seed)
    share = max(1, most // np.unique(kinds).size)
    whole = sampled(kinds, hashes, cut, most)
    assert np.array_equal(kept(whole), smallest(kinds, hashes, share))
    parts = []
    for low, high in zip([0, *again], [*again, 400], strict=True):
        part = HashSample(most)
        part.add(hashes[low:high], kinds[low:high], row=np.arange(low, high))
        parts.append(part)
    merged = parts[-1]  # ordered, unequal parts, merged from the right
    for part in parts[-2::-1]:
        merged = part.merge(merged)
    assert np.array_equal(kept(merged), kept(whole))


def test_merging_is_associative_where_kinds_come_late():
    hashes = row_hashes(0, 900)
    kinds = np.repeat(["a", "b", "c"], [700, 150, 50])
    ends = [0, 600, 720, 900]
    a, b, c = (sampled(kinds[i:j], hashes[i:j], [], 30) for i, j in pairwise(ends))
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    expected = np.sort(hashes[smallest(kinds, hashes, 10)])
    assert np.array_equal(np.sort(left.columns()["hash"]), expected)
    assert np.array_equal(np.sort(right.columns()["hash"]), expected)


def test_every_kind_gets_the_least_also_beyond_the_room():
    kinds = np.repeat(np.arange(10), 50)
    found = sampled(kinds, row_hashes(0, 500), [100, 400], most=20, least=7)
    rows = found.columns()["row"]
    assert np.bincount(kinds[rows]).tolist() == [7] * 10


def test_no_row_below_a_limit_is_left_out():
    kinds, hashes = np.repeat(["a", "b"], [900, 100]), row_hashes(0, 1000)
    found = sampled(kinds, hashes, [300], most=100)
    rows = set(found.columns()["row"].tolist())
    for kind, limit in found.limits.items():
        below = np.flatnonzero((kinds == kind) & (hashes <= limit))
        assert set(below.tolist()) <= rows


def test_what_is_kept_is_bounded_while_rows_come():
    found, hashes = HashSample(100), row_hashes(0, 100_000)
    for low in range(0, 100_000, 500):
        found.add(hashes[low : low + 500], row=np.arange(low, low + 500))
        assert found._n <= 150 + 500
    assert found.columns()["row"].size == 100


def test_hashes_are_even_and_of_no_order():
    hashes = row_hashes(10**9, 100_000, seed=3)
    assert np.unique(hashes).size == hashes.size
    counts = np.bincount((hashes >> np.uint64(58)).astype(int), minlength=64)
    assert chisquare(counts).pvalue > 1e-4
    ranks = np.argsort(np.argsort(hashes))
    assert abs(np.corrcoef(ranks, np.arange(hashes.size))[0, 1]) < 0.02
    assert not np.array_equal(hashes[:10], row_hashes(10**9, 10, seed=4))


def test_neighbouring_seeds_share_no_hashes_of_neighbouring_rows():
    first = row_hashes(0, 10_000, seed=7)
    assert not np.isin(row_hashes(0, 10_000, seed=8), first).any()


def test_no_room_is_refused():
    with pytest.raises(ValueError, match="needs room for rows, got 0 and 1"):
        HashSample(0)
