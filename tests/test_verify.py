"""What ``verify`` recomputes, against correctors that are honest and files that lie."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import zipfile
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as bytes_of

import rarecorrect
from rarecorrect import ErrorCorrector
from rarecorrect._files.archive import pack
from rarecorrect._verify.book import name_of
from rarecorrect._verify_command import verify as command
from rarecorrect.certify import allowed_exceedances
from rarecorrect.detectors import IntervalDetector, TreesDetector
from rarecorrect.files import save
from rarecorrect.verify import NOT_IN_A_FILE, _tails, verify

MANIFEST, ARRAYS = "manifest.json", "arrays.safetensors"


def saved(corrector, folder):
    save(corrector, folder / "fix.rarecorrect")
    return (folder / "fix.rarecorrect").read_bytes()


def rows_of(corrector, X):
    reading = corrector.features_.read(X)
    found = dict(zip(corrector.features_.names_, reading.features.T, strict=True))
    return {**found, "@decision": reading.labels}


def members_of(data):
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(data, change):
    """The file with another manifest, changed arrays, and its digests right."""
    members = members_of(data)
    manifest = json.loads(members[MANIFEST])
    arrays = {n: a.copy() for n, a in arrays_of(members[ARRAYS]).items()}
    change(manifest, arrays)
    members[ARRAYS] = bytes_of(arrays)
    manifest["sha256"][ARRAYS] = hashlib.sha256(members[ARRAYS]).hexdigest()
    members[MANIFEST] = json.dumps(manifest).encode()
    return pack(members)


def failed(lines):
    return [claim for verdict, claim, _ in lines if verdict == "FAIL"]


def open_claims(lines):
    return [claim for verdict, claim, _ in lines if verdict == "NOT RECOMPUTED"]


@pytest.fixture(scope="module")
def plain(outbreak, tmp_path_factory):
    made = outbreak.fitted()
    return made, saved(made, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def with_a_past(outbreak, tmp_path_factory):
    """Certified three times, twice on the same rows; an edit undone."""
    made = outbreak.fitted()
    name = next(iter(made.rules_)).name
    made = made.with_rules(made.rules_.with_state(name, "shadow"))
    made = made.with_rules(made.rules_.undo().with_state(name, "retired"))
    made = made.with_rules(made.rules_.with_state(name, "active"))
    made.certify(outbreak.X_new, outbreak.y_new)
    made.certify(outbreak.X_new, outbreak.y_new)
    return made, saved(made, tmp_path_factory.mktemp("past"))


# --- the exact rule -------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 30, 299])
@pytest.mark.parametrize("eps", [0.001, 0.05, 0.5, 0.95])
def test_tails_are_those_of_the_definition(n, eps):
    p = Fraction(eps)
    terms = [math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(n + 1)]
    for k in {-1, 0, n // 3, n - 1}:
        low, high = _tails(k, n, eps)
        assert abs(Fraction(low) - sum(terms[: k + 1])) < Fraction(1, 10**40)
        assert abs(Fraction(high) - sum(terms[: k + 2])) < Fraction(1, 10**40)


def test_tails_of_many_rows_do_not_vanish():
    k = allowed_exceedances(1_000_000, 0.01, 0.95)
    low, high = _tails(k, 1_000_000, 0.01)
    assert low <= 0.05 < high


# --- honest files ---------------------------------------------------------------------

SIDES = np.arange(1200)
OPTIONS = {
    "plain": {},
    "class": {"per": "class", "max_damage": 0.2},
    "segment": {"per": "segment", "side": {"segment": np.array(["a", None] * 600)}},
    "groups": {"side": {"groups": SIDES // 2}},
    "weights": {"side": {"calibration_weight": 1.0 + SIDES % 3}},
    "one use": {"ledger": False, "time_margin": 0.2, "contamination": 0.01},
    "a rate": {"alert_budget": 0.6, "max_damage": None},
    "a box": {"detector": IntervalDetector(), "confusions": [2]},
    "trees": {"detector": TreesDetector(5)},
    "clusters": {"detector": rarecorrect.FisherDetector(n_clusters=2)},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_honest_file_has_no_false_claim(name, outbreak, tmp_path):
    data = saved(outbreak.fitted(**OPTIONS[name]), tmp_path)
    lines = verify(data, root=data[-64:].decode())
    assert failed(lines) == []
    assert any("threshold t >= s_(k+1)" in claim for _, claim, _ in lines)


def test_scores_that_were_all_counted_are_stored_once(plain):
    [entry] = plain[0].rules_.entries
    assert entry.scores is entry.certificates[None].units


@pytest.mark.filterwarnings("ignore::rarecorrect.NotCertifiedWarning")
def test_what_is_not_certified_is_no_false_claim(outbreak, tmp_path):
    made = outbreak.fitted(max_damage=0.001)
    assert failed(verify(saved(made, tmp_path))) == []
    made.certify(outbreak.X_new, outbreak.y_new)
    lines = verify(saved(made, tmp_path))
    assert failed(lines) == []
    assert any(n.startswith("k = -1") for _, _, n in lines)


@pytest.mark.filterwarnings("ignore::rarecorrect.NotCertifiedWarning")
def test_days_are_recomputed_one_score_a_day(outbreak, tmp_path):
    made = outbreak.fitted(max_damage=None, alert_budget="25/day", per=None)
    days = np.arange(1200) // 30
    made.certify(outbreak.X_new, time=days)
    data = saved(made, tmp_path)
    assert failed(verify(data)) == []
    [entry] = made.rules_.entries
    [certificate] = entry.certificates.values()
    assert certificate.units.size == 40 < entry.scores.size


def test_strata_certified_one_by_one_are_traced_to_the_ledger(outbreak, tmp_path):
    made = outbreak.fitted(per="class", max_damage=0.2)
    only = outbreak.model.predict(outbreak.X_new) == 1
    made.certify(outbreak.X_new[only], outbreak.y_new[only])
    data = saved(made, tmp_path)
    merged = len(json.loads(members_of(data)[MANIFEST])["entries"])
    assert merged == 3 > len(made.rules_.entries)
    assert failed(verify(data)) == []


def test_a_past_is_recomputed(with_a_past):
    _, data = with_a_past
    lines = verify(data)
    assert failed(lines) == []
    [spent] = [n for _, claim, n in lines if "ledger, damage" in claim and "of 0" in n]
    assert spent == "0.045 of 0.05"


# --- with the rows --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "class", "a box"])
def test_scores_of_linear_rules_and_boxes_come_from_the_rows(name, outbreak, tmp_path):
    made = outbreak.fitted(**OPTIONS[name])
    data = saved(made, tmp_path)
    rows = rows_of(made, outbreak.X)
    lines = verify(data, rows=rows)
    assert failed(lines) == []
    passed = [claim for verdict, claim, _ in lines if verdict == "PASS"]
    assert "entry 0: scores, from the rows" in passed
    assert any("what was counted, from the rows" in claim for claim in passed)
    part = made.calibration_indices_
    only = {name: np.asarray(column)[part] for name, column in rows.items()}
    assert verify(data, rows=only)[-3:] == lines[-3:]


def test_what_cannot_be_recomputed_is_never_passed(outbreak, tmp_path):
    for name in ("trees", "clusters"):
        made = outbreak.fitted(**OPTIONS[name])
        lines = verify(saved(made, tmp_path), rows=rows_of(made, outbreak.X))
        assert failed(lines) == []
        assert "entry 0: scores, from the rows" in open_claims(lines)
        assert any("the detector was the same" in c for c in open_claims(lines))


def test_without_decisions_a_rule_that_asks_for_them_is_not_recomputed(plain, outbreak):
    made, data = plain
    rows = rows_of(made, outbreak.X)
    del rows["@decision"]
    lines = verify(data, rows=rows)
    assert "entry 0: scores, from the rows" in open_claims(lines)


def test_groups_cannot_be_drawn_again(outbreak, tmp_path):
    made = outbreak.fitted(**OPTIONS["groups"])
    lines = verify(saved(made, tmp_path), rows=rows_of(made, outbreak.X))
    assert open_claims(lines) == ["entry 0: what was counted, from the rows"]
    assert failed(lines) == []


def test_other_rows_are_no_evidence(plain, outbreak):
    made, data = plain
    lines = verify(data, rows=rows_of(made, outbreak.X_new))
    assert failed(lines) == ["rows: a certificate was made on them"]
    assert open_claims(lines) == ["entry 0: scores, from the rows"]


def test_holes_are_filled_as_they_were(outbreak, tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = outbreak.X.copy()
    X[::7, 1] = np.nan
    old = outbreak.y_new != 2
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    model.fit(outbreak.X_new[old], outbreak.y_new[old])
    made = ErrorCorrector(model, features="input", max_damage=0.1, random_state=0)
    made.fit(X, outbreak.y)
    rows = dict(zip(made.features_.names_[:4], X.T, strict=True))
    rows["@decision"] = model.predict(X)
    lines = verify(saved(made, tmp_path), rows=rows)
    assert failed(lines) == []
    assert "entry 0: scores, from the rows" not in open_claims(lines)


def test_missing_features_are_named(plain, outbreak):
    made, data = plain
    rows = rows_of(made, outbreak.X)
    del rows["x2"]
    *_, (verdict, _, numbers) = verify(data, rows=rows)
    assert verdict == "FAIL"
    assert "['x2']" in numbers


# --- files that lie, with all their digests right -------------------------------------


def certificate(manifest, i=0):
    return manifest["entries"][i]["certificates"]["items"][0][1]


def put(**parts):
    return lambda manifest, arrays: certificate(manifest).update(parts)


def lower(manifest, arrays):
    made = certificate(manifest)
    made["threshold"] = float(arrays[made["units"]["name"]][-2 - made["n_allowed"]])


def another_weight(manifest, arrays):
    arrays["rules.0.coef"][0] *= 1.1


def more_spent(manifest, arrays):
    manifest["entries"][0]["delta"] *= 1.5


def not_counted(manifest, arrays):
    made = certificate(manifest)
    arrays["other"] = arrays[made["units"]["name"]] - 1.0
    made["units"] = {"is": "array", "name": "other"}


def at(*path, value):
    def change(manifest, arrays):
        part = manifest
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return change


def named_again(manifest):
    """Give the first version the name of its certificate as it is now."""
    entry = manifest["entries"][0]
    items = entry["certificates"]["items"]
    entry = {
        **entry,
        "covered": entry["covered"]["items"],
        "certificates": {None: items[0][1]},
    }
    manifest["versions"][0]["event"]["certificate"] = name_of(entry)


LIES = {
    "threshold": (lower, "threshold t >= s_(k+1)"),
    "off": (put(certified=False), "threshold t >= s_(k+1)"),
    "k": (put(n_allowed=50), "k is largest"),
    "k, huge": (put(n_allowed=10**15), "k is largest"),
    "n": (put(n_calibration=10**15), "n, and how many"),
    "above": (put(n_exceeding=0), "n, and how many"),
    "eps": (put(max_damage=0.05), "k is largest"),
    "eps of 1": (put(max_damage=1.0), "k is largest"),
    "level": (put(confidence_level=0.99), "delta is one less"),
    "spent": (more_spent, "delta is one less"),
    "weights": (another_weight, "rule 'to 0': digest"),
    "units": (not_counted, "what was counted is among its scores"),
    "worth": (at("rules", 0, "worth", value=0.5), "rule 'to 0': digest"),
    "origin": (at("corrector", "read_from", value="0" * 16), "origin"),
    "asked": (at("report", "terms", "max_damage", value=0.01), "was asked for"),
    "promise": (at("report", "terms", "confidence_level", value=0.99), "delta spent"),
    "no ledger": (at("ledger", value=[]), "it is in the ledger"),
    "covered": (at("entries", 0, "covered", "items", value=[]), "covers the rules"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_and_named(name, plain):
    _, data = plain
    change, claim = LIES[name]
    assert any(claim in one for one in failed(verify(changed(data, change))))


PAST_LIES = {
    "first event": (
        at("versions", 0, "event", "what", value="add to 0"),
        "version 0: how",
    ),
    "state": (at("versions", 1, "rules", 1, value=[1, "draft"]), "version 1: it is"),
    "rule": (at("versions", 2, "rules", 0, value=[1, "active"]), "version 2: it is"),
    "event": (
        at("versions", 1, "event", "what", value="retired to 9"),
        "version 1: it is",
    ),
    "current": (at("versions", 1, "current", value=[1]), "version 1: it is"),
    "spent": (at("entries", 2, "delta", value=0.006), "entry 2: delta is one less"),
}


@pytest.fixture(scope="module")
def with_people(outbreak, tmp_path_factory):
    """Written, tried in the shadow, approved, given an end, another book merged in."""
    made = outbreak.fitted()
    book = made.rules_
    hand = replace(book["to 0"], name="by hand", state="draft", author="ann")
    book = book.extend(hand, author="ann").with_state("by hand", "shadow")
    book = book.approve("by hand", by="bob").with_expiry("by hand", "2031-01-31")
    book = book.with_expiry("to 0", "2020-01-31").with_expiry("by hand", "")
    # the legacy model, the name and the digest are the same: it stays certified
    other = made.rules_.with_expiry("to 0", "2020-01-31")
    extra = replace(book["to 2"], name="theirs", state="draft")
    book = book.merge(other.extend(extra), author="bob").remove("to 0")
    made = made.with_rules(book)
    return made, saved(made, tmp_path_factory.mktemp("people"))


def test_an_honest_file_of_several_people_has_no_false_claim(with_people):
    assert failed(verify(with_people[1])) == []


def event(version, part, value):
    return at("versions", version, "event", part, value=value)


LIES_OF_PEOPLE = {
    "four eyes": (event(3, "author", "ann"), "version 3: it is"),
    "another approved": (event(3, "what", "approve to 0"), "version 3: it is"),
    "another day": (event(4, "what", "expire by hand after 2032-01-31"), "version 4"),
    "no end": (event(6, "what", "keep to 0 without end"), "version 6: it is"),
    "merged": (event(7, "what", "remove theirs"), "version 7: it is"),
    "rules": (event(7, "n_rules", 4), "version 7: rules, and how many"),
    "in service": (event(5, "n_active", 4), "version 5: rules, and how many"),
    "certificate": (event(0, "certificate", "0" * 12), "version 0: the name"),
    "uncertified": (event(3, "certificate", "0" * 12), "version 3: the name"),
}


@pytest.mark.parametrize("name", LIES_OF_PEOPLE)
def test_a_lie_about_people_is_found_and_named(name, with_people):
    _, data = with_people
    change, claim = LIES_OF_PEOPLE[name]
    assert any(claim in one for one in failed(verify(changed(data, change))))


@pytest.mark.parametrize("name", PAST_LIES)
def test_a_lie_about_the_past_is_found_and_named(name, with_a_past):
    _, data = with_a_past
    change, claim = PAST_LIES[name]
    assert any(claim in one for one in failed(verify(changed(data, change))))


def test_too_much_spent_on_the_same_rows_is_found(with_a_past):
    def change(manifest, arrays):
        for i, delta in ((1, 0.04), (2, 0.02)):
            manifest["entries"][i]["delta"] = delta
            certificate(manifest, i)["confidence_level"] = 1 - delta

    _, data = with_a_past
    assert any(
        "delta spent over" in one for one in failed(verify(changed(data, change)))
    )


def test_a_raised_threshold_is_certified_but_not_the_one_of_the_rule(plain):
    def change(manifest, arrays):
        certificate(manifest).update(threshold=1e9, n_exceeding=0)
        named_again(manifest)

    _, data = plain
    [claim] = failed(verify(changed(data, change)))
    assert "half-way" in claim


def test_weights_with_all_digests_made_again_are_found_with_the_rows(plain, outbreak):
    """What a file alone cannot show: that its scores are those of its rules."""
    made, data = plain
    rule = made.rules_["to 0"]

    def change(manifest, arrays):
        arrays["rules.0.coef"] *= 1.1
        lie = replace(rule, coef=arrays["rules.0.coef"]).digest
        text = json.dumps(manifest).replace(rule.digest, lie)
        manifest.clear()
        manifest.update(json.loads(text))
        named_again(manifest)

    lie = changed(data, change)
    assert failed(verify(lie)) == []
    assert failed(verify(lie, root=data[-64:].decode())) == [
        "root: it is the file that was approved"
    ]
    found = failed(verify(lie, rows=rows_of(made, outbreak.X)))
    assert "entry 0: scores, from the rows" in found


# --- damage ---------------------------------------------------------------------------


def test_every_changed_byte_is_found(plain):
    _, data = plain
    for i in np.linspace(0, len(data) - 1, 60).astype(int):
        damaged = bytearray(data)
        damaged[i] ^= 1
        assert failed(verify(bytes(damaged)))


def test_a_member_that_is_another_is_named(plain):
    members = members_of(plain[1])
    arrays = {name: a.copy() for name, a in arrays_of(members[ARRAYS]).items()}
    arrays["rules.0.coef"][0] += 1
    found = failed(verify(pack({**members, ARRAYS: bytes_of(arrays)})))
    assert f"member {ARRAYS}: sha256 as in the manifest" in found
    assert any("rule 'to 0': digest" in claim for claim in found)


@pytest.mark.parametrize(
    "data", [b"", b"no zip" * 30, pack({}), pack({MANIFEST: b"{}", ARRAYS: b""})]
)
def test_what_is_no_file_is_a_failure_and_no_crash(data):
    assert failed(verify(data))


def test_two_parts_of_one_name_are_refused(plain):
    members = members_of(plain[1])
    text = members[MANIFEST].replace(b'"format": 1', b'"format": 1, "format": 1', 1)
    assert "format: it can be read" in failed(verify(pack({**members, MANIFEST: text})))


# --- the command ----------------------------------------------------------------------


def test_the_command_says_all_and_exits_with_the_verdict(plain, tmp_path, outbreak):
    made, data = plain
    path, table = tmp_path / "fix.rarecorrect", tmp_path / "rows.csv"
    path.write_bytes(data)
    pd.DataFrame(rows_of(made, outbreak.X)).to_csv(table, index=False)
    asked = ["--calibration", str(table), "--decision", "@decision"]
    result = CliRunner().invoke(
        command, [str(path), "--root", data[-64:].decode(), *asked]
    )
    assert result.exit_code == 0, result.output
    assert "PASS            entry 0: scores, from the rows" in result.output
    assert all(text in result.output for text in NOT_IN_A_FILE)
    path.write_bytes(changed(data, another_weight))
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == 1
    assert "FAIL            rule 'to 0'" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--root", "abc"], "64 digits"),
        (["--calibration", "rows.txt"], "parquet or .csv"),
        (["--calibration", "rows.csv", "--decision", "said"], "no column 'said'"),
    ],
)
def test_bad_options_are_refused(options, message, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("fix.rarecorrect").write_bytes(plain[1])
    Path("rows.txt").write_text("")
    Path("rows.csv").write_text("x0\n1\n")
    result = CliRunner().invoke(command, ["fix.rarecorrect", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_nothing_of_the_fitting_side_is_imported():
    folder = Path(rarecorrect.__file__).parent
    parts = [folder / "verify.py"]
    parts += [folder / "_verify" / f"{n}.py" for n in ("book", "reading", "rows")]
    for path in parts:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [a.name for a in getattr(node, "names", ())]
            module = getattr(node, "module", None) or ""
            ours = [n for n in (module, *names) if n.startswith("rarecorrect")]
            assert all(n.startswith("rarecorrect._verify.") for n in ours), path
    assert len((folder / "verify.py").read_text().splitlines()) <= 200
