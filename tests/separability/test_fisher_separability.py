"""Pairs of rows that no plane separates, and the dimension that they amount to."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from scipy.special import betainc

from rarecorrect.metrics import clopper_pearson
from rarecorrect.separability import fisher_separability
from rarecorrect.separability.fisher_separability import ALPHAS, sphere_dimension


def normal(n, p, seed=1):
    return np.random.default_rng(seed).normal(size=(n, p))


def on_sphere(n, p, seed=1):
    rows = normal(n, p, seed)
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def cloud(kind, n, p):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n, p))
    if kind == "sphere":
        return rows / np.linalg.norm(rows, axis=1)[:, None]
    if kind == "cube":
        return rng.uniform(size=(n, p))
    if kind == "sheet":
        return rows[:, :3] @ rng.normal(size=(3, p)) + 0.1 * rng.normal(size=(n, p))
    if kind == "skew":
        return np.exp(rows) @ rng.normal(size=(p, p))
    return rows


# kind, rows, columns: components, dimension, pairs at alpha .60, .70, .80, .88
ORACLE = [
    ("normal", 500, 2, 2, 1.9704406496997602, [73292, 62816, 50834, 39124]),
    ("normal", 500, 5, 5, 5.032886594338219, [25496, 14792, 6762, 2504]),
    ("normal", 1000, 10, 10, 9.921205641410717, [24708, 7876, 1448, 184]),
    ("sphere", 1000, 10, 10, 9.94419101058148, [24646, 7786, 1454, 184]),
    ("cube", 500, 8, 8, 7.502718814008048, [10782, 4526, 1484, 338]),
    ("sheet", 500, 12, 3, 2.99542862873018, [49268, 36950, 24698, 14794]),
    ("skew", 700, 9, 5, 4.166393682956741, [63372, 41816, 22926, 10288]),
    ("normal", 300, 20, 20, 20.85355874165867, [146, 14, 0, 0]),
    ("normal", 300, 60, 60, np.nan, [0, 0, 0, 0]),
]


@pytest.mark.parametrize(("kind", "n", "p", "kept", "dimension", "pairs"), ORACLE)
def test_figures_are_those_of_scikit_dimension(kind, n, p, kept, dimension, pairs):
    """Against FisherS of scikit-dimension 0.5.0, which shares no code with this.

    It is not installed for the tests, since numba and matplotlib come with it.  The
    table is what this prints in an environment that has it and scikit-learn, for
    `cloud` and the cases above; its columns are standardised, because FisherS takes the
    components of the covariance, not of the correlation::

        Z = StandardScaler().fit_transform(cloud(kind, n, p))
        found = skdim.id.FisherS().fit(Z)
        share = found.p_alpha_.mean(axis=1)[[0, 5, 10, 14]]
        pairs = (share * n * (n - 1)).round().astype(int).tolist()
        print((kind, n, p, found.Xp_.shape[1], found.dimension_, pairs))
    """
    found = fisher_separability(cloud(kind, n, p) * np.arange(1, p + 1))
    assert found.n_components == kept
    assert [found.inseparable[i] for i in (0, 5, 10, 14)] == pairs
    assert found.effective_dimension == pytest.approx(dimension, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("dimension", [2, 3, 5, 10, 15])
@pytest.mark.parametrize("rows", [normal, on_sphere])
def test_a_sphere_and_a_bell_give_their_dimension_back(rows, dimension):
    found = fisher_separability(rows(2000, dimension))
    assert found.effective_dimension == pytest.approx(dimension, rel=0.05)
    assert found.effective_dimension == found.least_dimension


def test_the_dimension_solves_its_equation():
    n = np.array([0.5, 3.0, 12.0, 80.0])
    p = (1 - 0.8**2) ** ((n - 1) / 2) / (0.8 * np.sqrt(2 * np.pi * n))
    assert sphere_dimension(p, 0.8) == pytest.approx(n)


@pytest.mark.parametrize(
    ("largest", "read_at"),
    [(0.98, 0.88), (0.9, 0.8), (0.7, 0.62), (0.8, 0.72), (0.6, 0.6)],
)
def test_where_it_is_read_a_tie_goes_to_the_smaller(largest, read_at):
    found = fisher_separability(normal(100, 3))
    counts = tuple(np.where(largest >= ALPHAS, 40, 0).tolist())
    found = replace(found, inseparable=counts)
    assert found.alpha == read_at
    assert found.effective_dimension == sphere_dimension(40 / found.n_pairs, read_at)


def test_no_pair_at_all_is_a_bound_never_a_number():
    found = fisher_separability(normal(300, 60))
    assert found.all_separable and np.isnan(found.effective_dimension)
    assert np.isnan(found.profile).all()
    assert found.least_dimension == sphere_dimension(6 / (300 * 299), 0.6)
    assert str(found) == (
        "at least 34 dimensions (alpha 0.60: 0 of 89,700 pairs are not separable)"
    )


def test_units_and_repeated_columns_do_not_matter():
    rows = normal(300, 4)
    found = fisher_separability(rows)
    assert fisher_separability(rows * [1, 1e3, 1e-3, 1] + 7) == found
    assert fisher_separability(rows.astype(np.float32)) == found
    constant = np.hstack([rows, np.full((300, 1), 3.0)])
    assert fisher_separability(constant) == found
    twice = fisher_separability(np.hstack([rows, rows]))
    assert twice.inseparable == found.inseparable and twice.n_components == 4


def test_rows_without_a_direction_are_separable_from_none():
    alike = fisher_separability(np.ones((50, 3)))
    assert alike.n_components == 0
    assert set(alike.inseparable) == {alike.n_pairs} == {50 * 49}
    assert alike.effective_dimension < 1 and alike.separable_together == 1
    opposite = np.array([[1.0], [-1.0], [0.0]])
    assert set(fisher_separability(opposite).inseparable) == {2}


def test_fewer_rows_than_columns():
    found = fisher_separability(normal(40, 200))
    assert found.n_components <= 39
    assert found.all_separable and 10 < found.least_dimension < 200


def test_many_rows_are_sampled_and_blocks_do_not_show(monkeypatch):
    few = fisher_separability(normal(700, 3))
    sphere = import_module("rarecorrect.separability.sphere")
    monkeypatch.setattr(sphere, "_BLOCK_PRODUCTS", 700 * 90)
    assert fisher_separability(normal(700, 3)) == few
    home = import_module("rarecorrect.separability.fisher_separability")
    monkeypatch.setattr(home, "_MOST_PAIRED", 100)
    sampled = fisher_separability(normal(700, 3), random_state=0)
    assert sampled.n_rows == 100 and "of 9,900 pairs" in str(sampled)
    assert sampled == fisher_separability(normal(700, 3), random_state=0)
    assert sampled != fisher_separability(normal(700, 3), random_state=1)


def cap(dimension, alpha):
    """Share of a sphere within an angle of a point, by its cosine."""
    return betainc((dimension - 1) / 2, 0.5, 1 - alpha**2) / 2


def test_the_upper_end_lies_above_the_share_of_a_sphere():
    share = np.array([cap(12, alpha) for alpha in ALPHAS])
    found = [fisher_separability(on_sphere(100, 12, seed)) for seed in range(40)]
    below = np.mean([np.array(f.upper) < share for f in found], axis=0)
    assert below.max() <= 0.1
    assert np.mean([f.upper[0] for f in found]) < 4 * share[0]
    # the rows that whiten look more separable than they are
    assert np.mean([f.shares[0] < share[0] for f in found]) > 0.9


def test_the_upper_end_allows_for_rows_that_share_pairs():
    """Three rows in a hundred are a clump: pairs come and go by whole rows."""
    clumped, q = [], 0.03
    for seed in range(60):
        rows = normal(400, 40, seed)
        clump = np.random.default_rng(1000 + seed).random(400) < q
        rows[clump] = 20 * np.eye(40)[0] + 0.1 * rows[clump]
        clumped.append(fisher_separability(rows))
    missed = np.mean([f.upper[5] < q**2 for f in clumped])
    assert missed <= 0.15
    pairs = 200 * 199 // 2  # of the rows that are held out, were they independent
    _, independent = clopper_pearson(round(q**2 * pairs), pairs)
    assert np.mean([f.upper[5] for f in clumped]) > 1.5 * independent


def test_the_union_bound():
    found = fisher_separability(normal(500, 20))
    p = found.upper[list(ALPHAS).index(found.alpha)]
    assert found.all_separable_probability(1) == 1
    assert found.all_separable_probability(5) == 1 - 20 * p
    assert found.all_separable_probability(10_000) == 0
    m = found.separable_together
    assert m > 2
    assert found.all_separable_probability(m) >= 0.95
    assert found.all_separable_probability(m + 1) < 0.95


def test_the_union_bound_holds_on_fresh_rows():
    found = fisher_separability(on_sphere(500, 20))
    m, fresh = found.separable_together, on_sphere(4000, 20, seed=2)
    groups = fresh[: 4000 // m * m].reshape(-1, m, 20)
    cosines = groups @ groups.transpose(0, 2, 1) - 2 * np.eye(m)
    assert np.mean((cosines <= found.alpha).all(axis=(1, 2))) >= 0.95
