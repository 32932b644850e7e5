"""A book is edited in its file as it is around its model, which is not there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from rarecorrect._files import whole
from rarecorrect._files.archive import ARRAYS, MANIFEST, read_arrays, write_arrays
from rarecorrect.book_file import BookFile
from rarecorrect.detectors import AutoDetector, IntervalDetector, TreesDetector
from rarecorrect.files import FileFormatError, load, save
from rarecorrect.verify import verify

from .helpers import assert_the_same, fitted, members_of, with_manifest, with_member

TREE = "sklearn.tree._tree.Tree"

DETECTORS = {
    "Fisher": None,
    "box": IntervalDetector(),
    "trees": TreesDetector(5),
    "auto": AutoDetector(candidates=[("Bayes", GaussianNB())]),
    "foreign, linear": LogisticRegression(),
    "foreign": GaussianNB(),
    "not trusted": ExtraTreesClassifier(5),
    "pipeline": make_pipeline(StandardScaler(), SVC()),
}
EDITS = {
    "nothing": lambda book: book,
    "state": lambda book: book.with_state("to 2", "shadow", author="ann"),
    "off": lambda book: book.disable_all(),
    "remove": lambda book: book.remove("to 0"),
    "approve": lambda book: book.with_state("to 2", "draft").approve("to 2", by="bob"),
    "expire": lambda book: book.with_expiry("to 1", "2020-01-31"),
    "undo": lambda book: book.disable_all().undo(),
}


def failed(path):
    return [
        claim for verdict, claim, _ in verify(path.read_bytes()) if verdict[0] == "F"
    ]


@pytest.fixture(scope="module")
def saved(outbreak, tmp_path_factory):
    corrector = fitted(outbreak)
    path = tmp_path_factory.mktemp("plain") / "fix.rc"
    save(corrector, path)
    return corrector, path


@pytest.mark.parametrize("edit", EDITS)
def test_it_is_the_file_of_the_edited_corrector(edit, saved, outbreak, tmp_path):
    _, path = saved
    file = BookFile.open(path)
    book = EDITS[edit](file.book)
    file.save(book, tmp_path / "edited")
    corrector = load(path, estimator=outbreak.model).with_rules(book)
    save(corrector, tmp_path / "wanted")
    wanted = (tmp_path / "wanted").read_bytes()
    assert (tmp_path / "edited").read_bytes() == wanted
    assert failed(tmp_path / "edited") == []


@pytest.mark.parametrize("name", DETECTORS)
def test_rules_of_every_detector(name, outbreak, tmp_path):
    corrector = fitted(outbreak, detector=DETECTORS[name])
    path, trusted = tmp_path / "fix.rc", [TREE]
    save(corrector, path)
    file = BookFile.open(path)
    file.save(file.book.with_state("to 2", "shadow"), path)
    again = load(path, estimator=outbreak.model, trusted=trusted)
    wanted = corrector.with_rules(corrector.rules_.with_state("to 2", "shadow"))
    assert str(again.report_) == str(wanted.report_)
    X = outbreak.X_new
    assert_array_equal(again.predict(X), wanted.predict(X))
    back = BookFile.open(path)
    back.save(back.book.undo(), path)
    again = load(path, estimator=outbreak.model, trusted=trusted)
    assert_the_same(corrector, again, X)
    assert failed(path) == []


def test_what_skops_holds_stays_as_it_is(outbreak, tmp_path, monkeypatch):
    path = tmp_path / "fix.rc"
    save(fitted(outbreak, detector=GaussianNB()), path, with_estimator=True)
    before = members_of(path)
    assert len(before) > 4

    def opened(*args, **options):
        raise AssertionError("a member was opened")

    monkeypatch.setattr("skops.io.loads", opened)
    file = BookFile.open(path)
    file.save(file.book.disable_all(), path)
    after = members_of(path)
    assert after.keys() == before.keys()
    assert all(after[n] == before[n] for n in after if n.endswith(".skops"))


def test_a_member_goes_with_its_rule(outbreak, tmp_path):
    path = tmp_path / "fix.rc"
    save(fitted(outbreak, detector=GaussianNB()), path)
    file = BookFile.open(path)
    only = file.book.remove("to 0").as_first("audit")
    file.save(only, path)
    assert len(members_of(path)) == len(file.members) - 1
    assert [rule.name for rule in load(path, estimator=outbreak.model).rules_] == [
        "to 1",
        "to 2",
    ]


def test_a_rule_that_was_left_closed_decides_nothing(outbreak, tmp_path):
    path = tmp_path / "fix.rc"
    save(fitted(outbreak, detector=GaussianNB()), path)
    rule = BookFile.open(path).book["to 2"]
    with pytest.raises(ValueError, match="left closed"):
        rule.score(np.zeros((1, rule.n_features or 5)))


def test_a_background_stays(outbreak, tmp_path):
    path = tmp_path / "fix.rc"
    save(fitted(outbreak, max_damage=0.1), path, with_background=True)
    file = BookFile.open(path)
    file.save(file.book.with_state("to 2", "shadow"), path)
    wrong = np.flatnonzero(outbreak.y_new == 2)[:5]
    again = load(path, estimator=outbreak.model)
    made = again.add(outbreak.X_new[wrong], outbreak.y_new[wrong], name="new")
    assert made.rules_["new"].n_errors == 5
    assert made.rules_.certified


def test_budgets_stay_when_an_older_version_had_others(outbreak, tmp_path):
    path = tmp_path / "fix.rc"
    corrector = fitted(outbreak, max_damage=0.1)
    corrector = corrector.with_rules(corrector.rules_.with_expiry("to 2", "2099-01-31"))
    corrector.set_params(alert_budget=0.6)
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.undo().undo().budgets == ("damage",)
    save(corrector, path)
    file = BookFile.open(path)
    back = file.save(file.book.undo().undo(), path)
    assert back.book.budgets == ("damage", "alerts")
    assert not load(path, estimator=outbreak.model).rules_.certified


def test_the_report_tells_of_the_certificate_in_force(outbreak, tmp_path):
    path = tmp_path / "fix.rc"
    corrector = fitted(outbreak, max_damage=0.1)
    rows = corrector.report_.n_calibration
    corrector.certify(outbreak.X_new, outbreak.y_new)
    save(corrector, path)
    file = BookFile.open(path)
    assert file.report.n_calibration != rows
    back = file.save(file.book.undo(), path)
    assert back.report.n_calibration == rows
    assert load(path, estimator=outbreak.model).report_.n_calibration == rows


def test_other_features_and_labels_are_refused(saved, outbreak, tmp_path):
    corrector, path = saved
    file, before = BookFile.open(path), path.read_bytes()
    other = fitted(outbreak, features="input").rules_["to 2"]
    with pytest.raises(ValueError, match="4 features, not"):
        file.save(file.book.remove("to 2").extend(other), path)
    y = np.where(outbreak.y == 2, 7, outbreak.y)
    seven = fitted(outbreak, y=y).rules_["to 7"]
    with pytest.raises(ValueError, match=r"cannot be stored.*give \[7\]"):
        file.save(file.book.extend(seven), path)
    assert path.read_bytes() == before
    assert corrector.rules_.certified


def test_a_format_of_the_past_is_not_mixed_with_this_one(saved, tmp_path, monkeypatch):
    file = BookFile.open(saved[1])
    monkeypatch.setattr("rarecorrect.book_file.FORMAT", 2)
    with pytest.raises(ValueError, match="has format 1: load and save it"):
        file.save(file.book, tmp_path / "other")


def test_an_array_of_the_book_in_another_part_is_not_overwritten(saved, tmp_path):
    path = tmp_path / "lie.rc"
    arrays = dict(read_arrays(members_of(saved[1])[ARRAYS]))
    del arrays["corrector.taught"]
    path.write_bytes(with_member(saved[1], ARRAYS, write_arrays(arrays)))

    def change(manifest):
        manifest["corrector"]["taught"]["name"] = "rules.0.coef"

    path.write_bytes(with_manifest(path, change))
    file = BookFile.open(path)
    with pytest.raises(ValueError, match="its parts share arrays"):
        file.save(file.book, path)


def no_names(manifest):
    manifest["features"]["names"] = "x0"


def no_classes(manifest):
    manifest["corrector"]["classes"] = [0, 1]


def fewer_classes(manifest):
    manifest["corrector"]["classes"] = manifest["features"]["classes"]


def no_report(manifest):
    manifest["report"] = manifest["report"]["terms"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_names, "features.names"),
        (no_classes, "do not fit"),
        (fewer_classes, r"rules give \[2\]"),
        (no_report, "the report is none"),
    ],
)
def test_what_is_no_book_is_refused(change, message, saved, tmp_path):
    path = tmp_path / "changed.rc"
    path.write_bytes(with_manifest(saved[1], change))
    with pytest.raises(FileFormatError, match=message):
        BookFile.open(path)


def test_a_damaged_file_is_refused(saved, tmp_path):
    data = bytearray(saved[1].read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "damaged.rc"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"damaged\.rc: it is damaged"):
        BookFile.open(path)


def test_a_failed_write_leaves_the_old_file(saved, tmp_path, monkeypatch):
    path = tmp_path / "fix.rc"
    path.write_bytes(saved[1].read_bytes())
    file = BookFile.open(path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.save(file.book.disable_all(), path)
    assert path.read_bytes() == saved[1].read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_the_manifest_says_what_it_said(saved, tmp_path):
    """Sections that are no part of the book are not even written in another way."""
    path = tmp_path / "fix.rc"
    file = BookFile.open(saved[1])
    file.save(file.book.disable_all(), path)
    one, two = (json.loads(members_of(p)[MANIFEST]) for p in (saved[1], path))
    for name in ("corrector", "features", "model", "probe", "written_with"):
        assert one[name] == two[name]
