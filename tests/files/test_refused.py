"""Files that must not load: damaged, made by hand, from the future, with foreign types.

With ``RARECORRECT_MUTATIONS=10000`` so many changes are tried instead of a few hundred.
"""

from __future__ import annotations

import ast
import copy
import io
import json
import os
import random
import re
import tracemalloc
import warnings
import zipfile
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import load as plain_load
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from rarecorrect import FisherDetector, NotCertifiedWarning
from rarecorrect._files.archive import pack, read_arrays, write_arrays
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    TreesDetector,
)
from rarecorrect.files import FileFormatError, load, save

from .helpers import (
    digested,
    fitted,
    members_of,
    sealed,
    with_manifest,
    with_member,
)
from .test_round_trip import edited, square

N_MUTATIONS = int(os.environ.get("RARECORRECT_MUTATIONS", "500"))


@pytest.fixture(scope="module")
def saved(outbreak, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "corrector.rc"
    save(edited(fitted(outbreak, detector=TreesDetector(3)), outbreak), path)
    return path


@pytest.fixture(scope="module")
def small(outbreak, tmp_path_factory):
    """A file whose manifest is most of it."""
    path = tmp_path_factory.mktemp("files") / "small.rc"
    detector = AutoDetector(candidates=[("Bayes", GaussianNB())])
    save(edited(fitted(outbreak, detector=detector), outbreak), path)
    return path


@pytest.fixture(scope="module")
def whole(outbreak, tmp_path_factory):
    """A file that can still learn: with moments, ranks and rows of right decisions."""
    path = tmp_path_factory.mktemp("files") / "whole.rc"
    corrector = fitted(outbreak, detector=CascadeDetector(1), max_damage=0.2)
    save(corrector, path, with_background=True)
    return path


def refused(data, tmp_path, model, match=None):
    path = tmp_path / "changed.rc"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=match) as error:
        load(path, estimator=model)
    assert str(path) in str(error.value)
    return str(error.value)


# --- the frame ------------------------------------------------------------------------


def test_every_flipped_bit_is_seen(saved, outbreak, tmp_path):
    whole = saved.read_bytes()
    rng = random.Random(0)
    for _ in range(N_MUTATIONS):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        refused(bytes(changed), tmp_path, outbreak.model)


def test_every_cut_is_seen(saved, outbreak, tmp_path):
    whole = saved.read_bytes()
    rng = random.Random(0)
    cuts = [
        0,
        1,
        22,
        71,
        len(whole) - 1,
        *(rng.randrange(len(whole)) for _ in [0] * 50),
    ]
    for cut in cuts:
        refused(whole[:cut], tmp_path, outbreak.model, "cut short|damaged")
    refused(whole + b"\0", tmp_path, outbreak.model, "cut short|damaged")
    refused(whole + whole, tmp_path, outbreak.model, "zip|overlap|damaged")


def test_a_pickle_is_no_file(outbreak, tmp_path):
    import pickle

    refused(pickle.dumps(print), tmp_path, outbreak.model, "no file of rarecorrect")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/b.skops", "evil.py", "x.skops/", "A.skops"]
)
def test_other_members(saved, outbreak, tmp_path, name):
    data = with_member(saved, name, b"")
    refused(data, tmp_path, outbreak.model, re.escape(name))


def test_a_member_that_nothing_refers_to(saved, outbreak, tmp_path):
    data = with_member(saved, "object-7.skops", dumps(1))
    refused(data, tmp_path, outbreak.model, "object-7.skops")
    arrays = dict(plain_load(members_of(saved)["arrays.safetensors"]))
    more = write_arrays({**arrays, "more": np.zeros(3)})
    data = with_member(saved, "arrays.safetensors", more)
    refused(data, tmp_path, outbreak.model, "nothing refers to.*more")


@pytest.mark.parametrize("name", ["manifest.json", "arrays.safetensors"])
def test_missing_members(saved, outbreak, tmp_path, name):
    left = members_of(saved)
    del left[name]
    refused(pack(left), tmp_path, outbreak.model, f"lacks.*{name}")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(saved, outbreak, tmp_path):
    made = io.BytesIO(saved.read_bytes())
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("manifest.json", "{}")
    refused(sealed(made), tmp_path, outbreak.model, "more than once")


def test_members_of_another_file(saved, small, outbreak, tmp_path):
    arrays = members_of(small)["arrays.safetensors"]
    data = with_member(saved, "arrays.safetensors", arrays, known=False)
    refused(data, tmp_path, outbreak.model, "not the one")


def packed_zip(members, **options):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made


def test_a_zip_bomb(saved, outbreak, tmp_path):
    members = {**members_of(saved), "object-9.skops": b"\0" * 10_000_000}
    made = packed_zip(members, compression=zipfile.ZIP_DEFLATED)
    refused(sealed(made), tmp_path, outbreak.model, "packed")


@pytest.mark.parametrize("sparse", [False, True])
def test_a_zip_bomb_within(saved, tmp_path, sparse):
    bomb = packed_zip({"data.npy": b" " * 10**8}, compression=zipfile.ZIP_DEFLATED)
    if sparse:
        bomb = packed_zip({"schema.json": b"{}", "1.npz": bomb.getvalue()})

    def refer(manifest):
        manifest["model"]["stored"] = {"is": "skops", "member": "object-0.skops"}

    path = tmp_path / "bomb.rc"
    path.write_bytes(with_manifest(saved, refer))
    data = with_member(path, "object-0.skops", bomb.getvalue())
    refused(data, tmp_path, None, "would grow" if sparse else "packed")


def test_a_larger_size_in_the_directory(saved, outbreak, tmp_path):
    whole = bytearray(saved.read_bytes())
    at = whole.rindex(b"PK\x01\x02")
    for field in (20, 24):  # packed and unpacked size of the last member
        whole[at + field : at + field + 4] = (2**31).to_bytes(4, "little")
    refused(sealed(io.BytesIO(whole)), tmp_path, outbreak.model, "bytes, more than")


@pytest.mark.parametrize(
    ("where", "field", "value", "message"),
    [
        (b"PK\x01\x02", 8, 0x01, "no zip of plain members.*encrypted"),
        (b"PK\x01\x02", 8, 0x20, "no zip of plain members.*patched"),
        (b"PK\x01\x02", 6, 99, "no zip of plain members.*version"),
        (b"PK\x03\x04", 28, 65_535, "no zip of plain members"),  # begins behind the end
    ],
)
def test_a_zip_of_another_kind(saved, outbreak, tmp_path, where, field, value, message):
    whole = bytearray(saved.read_bytes())
    at = whole.rindex(where) + field
    whole[at : at + 2] = value.to_bytes(2, "little")
    refused(digested(bytes(whole)), tmp_path, outbreak.model, message)


def test_members_that_overlap(saved, outbreak, tmp_path):
    whole = bytearray(saved.read_bytes())
    at = whole.rindex(b"PK\x01\x02")
    whole[at + 42 : at + 46] = (0).to_bytes(4, "little")  # where the last one begins
    refused(sealed(io.BytesIO(whole)), tmp_path, outbreak.model, "overlaps|zip")


# --- arrays ---------------------------------------------------------------------------


def test_arrays_are_those_of_safetensors(saved):
    data = members_of(saved)["arrays.safetensors"]
    mine, its = read_arrays(bytearray(data)), plain_load(data)
    assert mine.keys() == its.keys()
    for name, array in its.items():
        assert array.dtype == mine[name].dtype
        np.testing.assert_array_equal(array, mine[name])


HEADERS = {
    "beyond the end": {"a": {"dtype": "F64", "shape": [9], "data_offsets": [0, 72]}},
    "a gap": {"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 16]}},
    "too many": {"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}},
    "negative": {"a": {"dtype": "F64", "shape": [-1, -1], "data_offsets": [0, 8]}},
    "an overflow": {
        "a": {"dtype": "F64", "shape": [2**33, 2**33], "data_offsets": [0, 8]}
    },
    "no type": {"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}},
    "no shape": {"a": {"dtype": "F64", "data_offsets": [0, 8]}},
    "more": {"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8], "x": 1}},
    "a truth": {"a": {"dtype": "F64", "shape": [True], "data_offsets": [False, 8]}},
    "bytes left": {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}},
    "texts": {"a": "F64"},
    "a list": [],
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_arrays(name):
    header = json.dumps(HEADERS[name]).encode()
    data = len(header).to_bytes(8, "little") + header + b"\0" * 8
    with pytest.raises(FileFormatError):
        read_arrays(bytearray(data))


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{", b"\0" * 8])
def test_no_header_of_arrays(data):
    with pytest.raises(FileFormatError):
        read_arrays(bytearray(data))


# --- the manifest ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format": 1, "format": 2}',
        b'{"format": NaN}',
        b'{"format": Infinity}',
        b'{"format": ' + b"[" * 100_000,
        b'{"format": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_manifest(saved, outbreak, tmp_path, text):
    data = pack({**members_of(saved), "manifest.json": text})
    refused(data, tmp_path, outbreak.model, "manifest")


def test_a_later_format_names_the_version(saved, outbreak, tmp_path):
    def later(manifest):
        return {"format": 2, "written_with": {"rarecorrect": "3.1.4"}, "news": []}

    data = with_manifest(saved, later)
    refused(data, tmp_path, outbreak.model, r"format 2.*rarecorrect 3\.1\.4 or later")


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "1", None, []])
def test_no_format(saved, outbreak, tmp_path, number):
    data = with_manifest(saved, lambda manifest: {**manifest, "format": number})
    refused(data, tmp_path, outbreak.model, "there is no format")


def places(stored, at=()):
    """Every place in a manifest, depth first."""
    yield at
    if isinstance(stored, dict | list):
        inside = stored.items() if isinstance(stored, dict) else enumerate(stored)
        for key, value in inside:
            yield from places(value, (*at, key))


def inner(stored, at):
    for key in at:
        stored = stored[key]
    return stored


NASTY = [
    None,
    True,
    -1,
    10**30,
    -0.5,
    1e308,
    "",
    "../x",
    [],
    {},
    [[]],
    {"is": "float", "value": "nan"},
    {"is": "float", "value": "-inf"},
    {"is": "array", "name": "nowhere"},
    {"is": "array", "name": "rules.0.scale.knots"},
    {"is": "skops", "member": "object-9.skops"},
    {"is": "tuple", "items": []},
    {"is": "Moments"},
    {"is": "os.system"},
    {"is": []},
    {"is": "texts", "items": ["a"], "shape": [1], "width": 10**9},
    {"is": "numpy", "dtype": "object", "value": 1},
]


def mutated(manifest, rng):
    """A manifest with one part changed; where, and what is there now."""
    changed = copy.deepcopy(manifest)
    at = rng.choice([p for p in places(changed) if p])
    parent, key = inner(changed, at[:-1]), at[-1]
    kind = rng.randrange(4)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key)
    elif kind == 2:
        other = rng.choice(list(places(changed)))
        parent[key] = copy.deepcopy(inner(manifest, other))
    else:
        parent[key] = rng.choice(NASTY)
    return changed, ".".join(map(str, at))


def loads_safely(data, path, outbreak, where):
    """A changed file is refused, or what it gives still answers to rows."""
    path.write_bytes(data)
    try:
        again = load(path, estimator=outbreak.model)
    except FileFormatError:
        return False
    except ValueError as error:  # the changed probe asks for another model
        assert "is not the model" in str(error) or "does not hold" in str(error), where
        return False
    except UserWarning:  # without a probe
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers that overflow
        again.predict(outbreak.X_new)
        again.trace(outbreak.X_new[:20])
        warnings.simplefilter("ignore", NotCertifiedWarning)
        with suppress(ValueError):  # what learns may refuse, in words
            again.add(outbreak.X_new[outbreak.y_new == 2][:1], [2])
    return True


@pytest.mark.parametrize("which", ["saved", "small", "whole"])
def test_changed_manifests(which, outbreak, tmp_path, request):
    """Whatever is changed: an error of this package, or a corrector that answers."""
    path = request.getfixturevalue(which)
    members = members_of(path)
    manifest = json.loads(members["manifest.json"])
    rng, survived = random.Random(0), 0
    for _ in range(N_MUTATIONS):
        changed, where = mutated(manifest, rng)
        if changed == manifest:
            continue
        data = pack({**members, "manifest.json": json.dumps(changed).encode()})
        survived += loads_safely(data, tmp_path / "changed.rc", outbreak, where)
    assert survived < N_MUTATIONS / 3  # words for people, and parameters of `fit`


def test_changed_numbers(saved, outbreak, tmp_path):
    """Numbers of arrays that are not what they were: refused, or they only decide."""
    members = members_of(saved)
    rng = np.random.default_rng(0)
    arrays = plain_load(members["arrays.safetensors"])
    for _ in range(N_MUTATIONS):
        name = rng.choice(sorted(arrays))
        array = arrays[name].copy()
        if array.size == 0:
            continue
        at = rng.integers(array.size)
        nasty = {"f": [np.nan, np.inf, -1e308, 0.0], "b": [True, False]}
        options = nasty.get(array.dtype.kind, [0, 1, 2, 250, -1, -(2**62), 2**62])
        value = options[rng.integers(len(options))]
        if array.dtype.kind in "iu":
            value = int(np.clip(value, *_limits(array.dtype)))
        array.ravel()[at] = value
        data = write_arrays({**arrays, name: array})
        changed = with_member(saved, "arrays.safetensors", data)
        loads_safely(changed, tmp_path / "changed.rc", outbreak, name)


def _limits(dtype):
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def test_a_bomb_of_texts(saved, outbreak, tmp_path):
    def widen(manifest):
        texts = {"is": "texts", "items": [""] * 10_000, "shape": [10_000], "width": 200}
        manifest["corrector"]["classes"] = texts

    refused(with_manifest(saved, widen), tmp_path, outbreak.model, "texts of 0 letters")


def test_a_bomb_of_trees(saved, outbreak, tmp_path):
    def plant(manifest):
        trees = manifest["rules"][0]["detector"]["trees_"]
        trees["nodes"] = {"is": "dict", "items": []}

    refused(with_manifest(saved, plant), tmp_path, outbreak.model, "it lacks.*feature")


@pytest.mark.needs_boosting
def test_changed_boosted_trees(outbreak, tmp_path):
    path = tmp_path / "boosted.rc"
    detector = BoostingDetector(n_estimators=3, engine="xgboost")
    save(fitted(outbreak, detector=detector), path)
    arrays = plain_load(members_of(path)["arrays.safetensors"])
    [name, *_] = [name for name in arrays if name.endswith("booster_.model")]
    model = json.loads(arrays[name].tobytes())
    rng = random.Random(0)
    for _ in range(N_MUTATIONS // 5):
        changed, where = mutated(model, rng)
        text = np.frombuffer(json.dumps(changed).encode(), np.uint8)
        data = write_arrays({**arrays, name: text})
        file = with_member(path, "arrays.safetensors", data)
        loads_safely(file, tmp_path / "changed.rc", outbreak, where)


def set_at(at, value):
    def change(manifest):
        *way, last = at.split(".")
        part = manifest
        for key in way:
            part = part[int(key) if isinstance(part, list) else key]
        part[int(last) if isinstance(part, list) else last] = value

    return change


@pytest.mark.parametrize("library", ["polars", "os", "narwhals", "duckdb"])
@pytest.mark.parametrize("dtype", ["Float64", "from_native", "DataFrame", "Stable"])
def test_probe_rows_of_no_library_and_no_type(outbreak, tmp_path, library, dtype):
    path = tmp_path / "corrector.rc"
    save(fitted(outbreak), path)

    def change(manifest):
        manifest["probe"]["container"] = library
        for i, column in enumerate(manifest["probe"]["columns"]["items"]):
            column.update(dtype=dtype, name=f"x{i}")

    if (library, dtype) == ("polars", "Float64"):  # rows that are rows
        path.write_bytes(with_manifest(path, change))
        load(path, estimator=outbreak.model)
    else:
        message = refused(with_manifest(path, change), tmp_path, outbreak.model)
        assert "at probe" in message


NAN = {"is": "float", "value": "nan"}
CHANGES = {
    "rules.0.intercept": 1.5,
    "rules.0.coef": {"is": "array", "name": "rules.0.scale.knots"},
    "rules.0.log_share": NAN,
    "rules.0.worth": NAN,
    "rules.0.to": 7,
    "rules.0.from_labels": {"is": "tuple", "items": [0]},
    "rules.0.action": "drop",
    "rules.0.scale.slope_above": 0.0,
    "rules.0.scale.knots": {"is": "array", "name": "rules.0.left_out"},
    "rules.0.n_errors": "many",
    "rules.0.digest": "0" * 16,
    "rules.0.keys": {"is": "array", "name": "rules.0.coef"},
    "rules.0.errors": 3,
    "past": 3,
    "rules.0.detector.is": "Rule",
    "entries.0.kind": "harm",
    "entries.0.delta": 2.0,
    "entries.0.scores": {"is": "array", "name": "rules.0.coef"},
    "ledger.0": 99,
    "ledger.1": True,
    "versions.0.rules.0.0": 99,
    "versions.0.rules.0.1": "gone",
    "versions.1.current.0": -1,
    "versions.1.budgets": ["harm"],
    "versions.1.budgets.0": 3,
    "versions": [],
    "corrector.parameters.max_damage": 3.0,
    "corrector.parameters.per": "day",
    "corrector.parameters.alert_budget": "many",
    "corrector.classes": {"is": "array", "name": "corrector.taught"},
    "corrector.read_from": 3,
    "corrector.calibrated": {"is": "array", "name": "corrector.taught"},
    "features.sources.0": "hidden:3",
    "features.names": ["one"],
    "features.names.0": 1,
    "features.imputer": {"is": "Moments"},
    "report": None,
    "report.n_rows": "all",
    "report.terms.confidence_level": "high",
    "probe.labels": {"is": "array", "name": "corrector.taught"},
    "probe.container": "polars",
    "probe.columns.items.0.dtype": "V1000000000",
    "sha256.arrays.safetensors": "0" * 64,
}


@pytest.mark.parametrize("at", CHANGES)
def test_what_does_not_fit(outbreak, tmp_path, at):
    path = tmp_path / "corrector.rc"
    corrector = fitted(outbreak)
    corrector.certify(outbreak.X_new, outbreak.y_new)
    save(corrector, path)
    change = set_at(at, CHANGES[at])
    if at.startswith("sha256"):
        change = lambda m: m["sha256"].update({"arrays.safetensors": "0" * 64})  # noqa: E731
    message = refused(with_manifest(path, change), tmp_path, outbreak.model)
    assert len(message) < 1000


KEPT = {
    "rules.0.errors.labels": {"is": "array", "name": "rules.0.coef"},
    "rules.0.errors.Z": {"is": "array", "name": "rules.0.detector.whitening_.matrix"},
    "rules.0.case_ids": {"is": "tuple", "items": [1, 2]},
    "rules.0.detector.cluster_labels_": {"is": "array", "name": "rules.0.keys"},
    "rules.0.detector.clusters_": [],
}


@pytest.mark.parametrize("at", KEPT)
def test_what_forgetting_needs_does_not_fit(outbreak, tmp_path, at):
    path = tmp_path / "corrector.rc"
    detector = FisherDetector(n_clusters=2, random_state=0)
    ids = {"case_id": np.arange(1200)}
    save(
        fitted(outbreak, detector=detector, keep_errors=True, side=ids),
        path,
        with_background=True,
    )
    load(path, estimator=outbreak.model)
    refused(with_manifest(path, set_at(at, KEPT[at])), tmp_path, outbreak.model)


def test_a_changed_rule_turns_its_certificate_off(outbreak, tmp_path):
    """A rule that was given another digest decides for no certificate."""
    path = tmp_path / "corrector.rc"
    corrector = fitted(outbreak)
    assert corrector.rules_.certified
    save(corrector, path)
    rule = corrector.rules_["to 0"]

    def change(manifest):
        from dataclasses import replace

        stored = manifest["rules"][0]
        assert stored["name"] == "to 0"
        stored["intercept"] += 1.0
        made = replace(rule, intercept=stored["intercept"])
        stored["digest"] = made.digest

    path.write_bytes(with_manifest(path, change))
    assert not load(path, estimator=outbreak.model).rules_.certified


# --- foreign types --------------------------------------------------------------------


class Evil:
    """Would leave a trace if it were made."""

    made = 0

    def __new__(cls):
        cls.made += 1
        return super().__new__(cls)


def test_types_that_are_not_trusted(outbreak, tmp_path):
    corrector = fitted(outbreak, detector=ExtraTreesClassifier(5))
    path = tmp_path / "corrector.rc"
    save(corrector, path)
    way_out = r"not trusted.*sklearn.tree._tree.Tree.*load\(path, trusted=\["
    with pytest.raises(FileFormatError, match=way_out):
        load(path, estimator=outbreak.model)
    with pytest.raises(FileFormatError, match=way_out):
        load(path, estimator=outbreak.model, trusted=["sklearn.svm.SVC"])


def test_all_types_that_are_not_trusted_are_named_at_once(outbreak, tmp_path):
    corrector = fitted(outbreak, detector=ExtraTreesClassifier(5), features=square)
    path = tmp_path / "corrector.rc"
    save(corrector, path)
    with pytest.raises(FileFormatError, match=r"square.*Tree.*look at") as error:
        load(path, estimator=outbreak.model)
    named = ast.literal_eval(str(error.value).rpartition("trusted=")[2][:-1])
    load(path, estimator=outbreak.model, trusted=named)


def test_a_foreign_object_is_not_made(outbreak, tmp_path, saved):
    def refer(manifest):
        manifest["model"]["stored"] = {"is": "skops", "member": "object-0.skops"}

    path = tmp_path / "evil.rc"
    path.write_bytes(with_manifest(saved, refer))
    data = with_member(path, "object-0.skops", dumps(Evil()))
    made = Evil.made
    refused(data, tmp_path, None, "not trusted.*Evil")
    assert Evil.made == made


@pytest.mark.parametrize("trusted", [True, "sklearn.tree._tree.Tree", 3])
def test_trust_is_a_list(saved, outbreak, trusted):
    with pytest.raises(ValueError, match="trusted must be a list"):
        load(saved, estimator=outbreak.model, trusted=trusted)


# --- what cannot be saved -------------------------------------------------------------


def nothing_is_written(corrector, folder, match):
    path = folder / "corrector.rc"
    with pytest.raises(ValueError, match=match):
        save(corrector, path)
    assert list(folder.iterdir()) == []


def test_a_lambda_as_features(outbreak, tmp_path):
    corrector = fitted(outbreak, features=lambda X: X[:, :2])
    nothing_is_written(
        corrector, tmp_path, r"corrector\.parameters\.features.*no function of a module"
    )


def test_a_lambda_within_a_transformer(outbreak, tmp_path):
    corrector = fitted(outbreak, features=FunctionTransformer(lambda X: X[:, :2]))
    nothing_is_written(corrector, tmp_path, r"cannot be stored.*features")


def test_a_case_id_of_no_plain_type(outbreak, tmp_path):
    ids = np.array([complex(i, 1) for i in range(1200)])
    corrector = fitted(outbreak, side={"case_id": ids})
    nothing_is_written(corrector, tmp_path, r"rules\.0\.case_ids")


def test_what_is_no_fitted_corrector(outbreak, tmp_path):
    from rarecorrect import ErrorCorrector

    with pytest.raises(NotFittedError):
        save(ErrorCorrector(outbreak.model), tmp_path / "x")
    with pytest.raises(ValueError, match="only an ErrorCorrector"):
        save(outbreak.model, tmp_path / "x")


def test_a_detector_with_an_attribute_of_its_own(outbreak, tmp_path):
    corrector = fitted(outbreak)
    corrector.rules_["to 2"].detector.secret_ = 3
    nothing_is_written(corrector, tmp_path, "secret_")


def test_a_subclass_goes_by_its_own_name(outbreak, tmp_path):
    corrector = fitted(outbreak, detector=MyFisher())
    path = tmp_path / "corrector.rc"
    save(corrector, path)
    with pytest.raises(FileFormatError, match=r"not trusted.*MyFisher"):
        load(path, estimator=outbreak.model)
    again = load(path, estimator=outbreak.model, trusted=[MyFisher])
    assert type(again.rules_["to 2"].detector) is MyFisher


class MyFisher(FisherDetector):
    """A detector of the user's own."""


# --- memory ---------------------------------------------------------------------------


def test_memory_while_loading(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 300))
    y = (X[:, 0] > 0).astype(int)
    model = LogisticRegression(C=0.01).fit(X, y)
    y[X[:, 1] > 1.5] = 2
    from rarecorrect import ErrorCorrector

    corrector = ErrorCorrector(model, random_state=0, max_damage=0.05).fit(X, y)
    path = tmp_path / "large.rc"
    from rarecorrect.probe import Probe

    corrector.probe_ = Probe.of(X, model)
    save(corrector, path)
    size = path.stat().st_size
    load(path, estimator=model)
    tracemalloc.start()
    load(path, estimator=model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 5_000_000
    assert peak < 2 * size


def test_sorted_manifest(saved):
    text = members_of(saved)["manifest.json"].decode()
    manifest = json.loads(text)
    assert all(a < b for a, b in pairwise(manifest))
    assert "pickle" not in text
