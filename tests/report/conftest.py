"""A small desk: a model that does not know the class it meets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from rarecorrect import ColumnModel, ErrorCorrector

HOSTILE = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }}"


@pytest.fixture(scope="session")
def small(outbreak):
    """A corrector, rows that are new to it, and their days."""
    corrector = outbreak.fitted()
    days = np.arange(len(outbreak.y_new)) // 40  # 30 whole days
    return SimpleNamespace(
        corrector=corrector, X=outbreak.X_new, y=outbreak.y_new, days=days
    )


@pytest.fixture(scope="session")
def at_stake():
    """A corrector that weighs payments by their amount."""
    rng = np.random.default_rng(0)
    fraud = rng.random(3000) < 0.02
    hint = rng.normal(size=3000) + 3.0 * fraud
    amount = rng.lognormal(3.0, 1.5, size=3000)
    X = pd.DataFrame({"score": 0.0, "hint": hint, "amount": amount})
    model = ColumnModel("score", threshold=0.5, classes=(0, 1))
    return ErrorCorrector(
        model, features="input", value="amount", max_damage=0.05, random_state=0
    ).fit(X, fraud.astype(int))


@pytest.fixture(scope="session")
def hostile(outbreak):
    """Labels, features, rules, notes, authors and cases with names that attack."""
    names = np.array(["no", "yes", HOSTILE])
    columns = [HOSTILE, "</style>", "</script><b>", "d"]
    rows = pd.DataFrame(outbreak.X, columns=columns)
    old = names[outbreak.y % 2]
    model = LogisticRegression().fit(rows, old)
    corrector = ErrorCorrector(model, max_damage=0.1, random_state=0)
    corrector.fit(rows, names[outbreak.y])
    rules = corrector.rules_
    rule = rules.rules[0].name
    rules = rules.with_state(rule, "shadow", author=HOSTILE)
    corrector = corrector.with_rules(rules.approve(rule, by=HOSTILE))
    new = pd.DataFrame(outbreak.X_new, columns=columns)
    return SimpleNamespace(
        corrector=corrector,
        X=new.set_index(np.array([f"{i}{HOSTILE}" for i in range(len(new))])),
        y=names[outbreak.y_new],
    )
