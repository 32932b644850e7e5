"""Alert budgets: a share of the traffic, or so many a day."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rarecorrect import NotCertifiedWarning, save
from rarecorrect.certify import alert_threshold, daily_threshold
from rarecorrect.verify import verify

from .helpers import fitted, quietly


def days(n, per_day=30):
    return np.arange(n) // per_day + 0.5


def test_an_alert_rate_bounds_the_share_of_traffic_changed(outbreak):
    with pytest.warns(NotCertifiedWarning, match=r"alert budget.*certify\(X\)"):
        corrector = fitted(outbreak, alert_budget=0.1)
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(corrector.predict(outbreak.X_new), legacy)
    corrector.certify(outbreak.X_new)
    changed = corrector.predict(outbreak.X_new) != legacy
    assert 0 < changed.mean() <= 0.1
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.population, found.n_calibration) == ("traffic", 1200)


def test_alerts_a_day_are_capped_on_all_but_few_days(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget="5/day"))
    with pytest.raises(ValueError, match=r"'5/day' needs time="):
        corrector.certify(outbreak.X_new)
    corrector.certify(outbreak.X_new, time=days(1200))
    changed = corrector.predict(outbreak.X_new) != outbreak.model.predict(
        outbreak.X_new
    )
    alerts = np.bincount(days(1200).astype(int)[changed], minlength=40)
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.unit, found.n_calibration) == ("days", 40)
    assert np.sum(alerts > 5) == found.n_exceeding <= found.n_allowed
    assert changed.any()


def test_a_mask_of_whole_days_certifies_a_daily_budget_in_fit(outbreak):
    side = {"time": days(1200, 20), "calibration_mask": np.arange(1200) >= 300}
    corrector = fitted(outbreak, alert_budget="12/day", max_damage=0.3, side=side)
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.unit, found.n_calibration) == ("days", 45)


def test_rows_of_a_day_that_cannot_calibrate_count_as_alerts(outbreak):
    """Rows that share a group with an error teach, but the day does not lose them."""
    side = {
        "time": days(1200, 20),
        "calibration_mask": np.arange(1200) >= 300,
        "groups": np.arange(1200) // 4,
    }
    corrector = quietly(lambda: fitted(outbreak, alert_budget="12/day", side=side))
    assert corrector.rules_.entry("alerts").scores.size == 900


def test_alerts_alone_need_no_damage_budget(outbreak):
    corrector = quietly(lambda: fitted(outbreak, max_damage=None, alert_budget=0.2))
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified
    assert corrector.rules_.entry("damage") is None
    with pytest.raises(ValueError, match="labelled rows certify nothing"):
        corrector.certify(outbreak.X_new, outbreak.y_new)


def test_alerts_are_certified_beside_damage_per_class(outbreak):
    corrector = quietly(lambda: fitted(outbreak, per="class", alert_budget=0.2))
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified
    only_damage = fitted(outbreak, per="class", legacy_accuracy=0.5)
    with pytest.raises(ValueError, match="per='class' needs labels"):
        only_damage.certify(outbreak.X_new)


def test_too_many_certain_alerts_are_not_called_too_few_rows():
    scores = np.r_[np.full(100, np.inf), np.arange(900.0)]
    text = str(alert_threshold(scores, 0.05))
    assert "5 % of traffic at 95 % confidence allows 38 of 1,000 rows" in text
    assert "more than 38 count as alerts whatever their score" in text
    days = daily_threshold(np.full(400, np.inf), np.arange(400) // 10, cap=5)
    assert "allows 0 of 40 days" in str(days)
    for few in (scores[:50], np.arange(50.0)):
        assert "needs 59 rows, got 50" in str(alert_threshold(few, 0.05))


def test_a_budget_that_is_set_later_does_not_make_a_file_a_liar(outbreak, tmp_path):
    corrector = fitted(outbreak).set_params(alert_budget=0.1)
    corrector.certify(outbreak.X_new)
    path = tmp_path / "fix.rarecorrect"
    save(corrector, path)
    claims = verify(path.read_bytes())
    assert [claim for claim in claims if claim[0] == "FAIL"] == []
