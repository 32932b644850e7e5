"""``rarecorrect face benchmark`` from tables or faces to readings and pictures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from rarecorrect import FisherDetector
from rarecorrect_face import benchmark as benchmark_module
from rarecorrect_face import cli
from rarecorrect_face.benchmark import BenchmarkResult, run_benchmark, sources_of
from rarecorrect_face.faces import Faces
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.methods import METHODS, available_methods
from rarecorrect_face.networks import make_tables, rarest, torch_network
from rarecorrect_face.plan import Plan
from rarecorrect_face.report import write_results
from rarecorrect_face.statistics import (
    MEAN,
    bootstrap_means,
    comparisons,
    not_above,
    null_verdicts,
    readings,
)

MakeTable = Callable[..., FeatureTable]
FEW = {name: METHODS[name] for name in ("Fisher", "logistic")}


@pytest.fixture(autouse=True)
def few_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """All methods are run by one test; the others need results, not good ones."""
    monkeypatch.setattr(benchmark_module, "available_methods", lambda: (FEW, []))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.face, ["benchmark", *map(str, arguments)])


@pytest.fixture(scope="module")
def result(tables: Path) -> BenchmarkResult:
    """Three methods, under the names that the report compares."""

    def blind(damage: float, seed: int) -> Any:
        return LogisticRegression(C=1e-9)

    methods = {"auto": METHODS["logistic"], "Fisher": METHODS["Fisher"]}
    plan = Plan(draws={20: 3, None: 1}, permutations=5, background=100)
    sources = {0: sources_of([tables])}
    return run_benchmark(sources, plan, methods=methods | {"XGBoost": blind})


def test_a_quick_run_on_tables(tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("--features", tables, "--out", out, "--quick", "--seeds", "0", "1")
    assert found.exit_code == 0, found.output
    assert "Certified gain" in found.output
    rows = pd.read_parquet(out / "results.parquet")
    assert set(rows["class"]) == {"happy", "sad"}
    assert set(rows["seed"]) == {0, 1}
    names = {"results.parquet", "readings.csv", "results.md", "results.tex", "classes"}
    assert names <= {path.name for path in out.iterdir()}
    text = (out / "results.md").read_text()
    for words in (
        "seeds 0, 1",
        "## Gain at fixed retention",
        "## Retention at fixed gain",
        "## Certified gain",
        "## Macro-F1",
        "## Null control",
        "## Without and with copies",
        "the correction stays off",
    ):
        assert words in text
    tex = (out / "results.tex").read_text()
    titled = [line for line in text.splitlines() if line.startswith("## ")]
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == len(titled)
    table = pd.read_csv(out / "readings.csv")
    assert set(table["reading"]) == {
        *("gain at retention", "retention at gain", "certified gain", "macro-F1")
    }


def test_every_method_runs(tables: Path) -> None:
    methods, missing = available_methods()
    sources = {0: sources_of([tables])}
    (case,) = run_benchmark(
        sources, Plan.quick(), methods=methods, classes=["happy"]
    ).cases
    rows = pd.DataFrame(case.rows).query("damage == 0.05 and copies == 'without'")
    gains = rows.set_index("method")["curve_gain"]
    assert set(methods) | set(missing) == set(METHODS)
    assert gains[list(methods)].min() > 0.8


def test_what_is_not_installed_is_noted(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = (FEW, ["XGBoost"])
    monkeypatch.setattr(benchmark_module, "available_methods", lambda: some)
    out = tmp_path / "out"
    assert run("--features", tables / "sad.npz", "--out", out, "--quick").exit_code == 0
    text = (out / "results.md").read_text()
    assert "XGBoost: skipped, not installed" in text
    assert "no table of a network of all classes" in text


def test_pictures(tables: Path, tmp_path: Path) -> None:
    from PIL import Image  # matplotlib brings it

    sources = {0: sources_of([tables])}
    found = run_benchmark(sources, Plan.quick(), methods=FEW, classes=["sad"])
    write_results(found, tmp_path, "command")
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == ["confusion-sad.png", "curves.png"]
    for name in names:
        with Image.open(tmp_path / name) as picture:
            colours = picture.convert("L").getextrema()
        assert colours[0] < 50 and colours[1] == 255


def test_without_matplotlib_there_are_no_pictures(
    result: BenchmarkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rarecorrect_face.report.find_spec", lambda name: None)
    files = write_results(result, tmp_path, "command")
    assert [f.name for f in files] == [
        *("results.parquet", "readings.csv", "results.md", "results.tex")
    ]
    assert all(f.is_file() for f in files)


def test_the_same_seed_gives_the_same_gains_whatever_runs_at_once(
    tables: Path,
) -> None:
    sources = {3: sources_of([tables])}
    plan = Plan.quick()
    one, two = (
        run_benchmark(sources, plan, methods=FEW, n_jobs=jobs).cases for jobs in (1, 2)
    )
    for first, second in zip(one, two, strict=True):
        frames = [
            pd.DataFrame(c.rows).drop(columns="seconds_fit") for c in (first, second)
        ]
        pd.testing.assert_frame_equal(*frames)


def test_resume_takes_finished_classes_of_the_same_run_only(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    real = benchmark_module.run_case

    def counted(case: Any, *arguments: Any, **options: Any) -> Any:
        ran.append(case.label)
        return real(case, *arguments, **options)

    monkeypatch.setattr(benchmark_module, "run_case", counted)
    copy = tmp_path / "tables"
    shutil.copytree(tables, copy)
    options: dict[str, Any] = {"methods": FEW, "checkpoints": tmp_path / "classes"}

    def again(plan: Plan, resume: bool = True) -> pd.DataFrame:
        ran.clear()
        found = run_benchmark({0: sources_of([copy])}, plan, resume=resume, **options)
        return readings(found.cases, plan)

    plan = Plan.quick()
    first = again(plan)
    assert ran == ["happy", "sad"]
    pd.testing.assert_frame_equal(again(plan), first)
    assert ran == []
    again(plan, resume=False)
    assert ran == ["happy", "sad"]
    again(replace(plan, background=7))
    assert ran == ["happy", "sad"]
    (tmp_path / "classes" / "seed-0-sad.npz").write_bytes(b"half")
    again(replace(plan, background=7))
    assert ran == ["sad"]
    table = FeatureTable.load(copy / "sad.npz")
    replace(table, logits=table.logits + 1).save(copy / "sad.npz")
    again(replace(plan, background=7))
    assert ran == ["sad"]


def test_intervals_hold_the_mean_and_shrink_with_more_faces() -> None:
    rng = np.random.default_rng(0)
    few, many = (rng.random((4, n)) < 0.3 for n in (30, 600))
    spreads = [
        np.ptp(np.quantile(bootstrap_means("a", h), [0.025, 0.975]))
        for h in (few, many)
    ]
    assert spreads[1] < spreads[0] / 2
    # the same faces of two methods: what is common cancels
    better = few | (np.arange(30) == np.flatnonzero(~few.any(axis=0))[0])
    difference = bootstrap_means("a", better) - bootstrap_means("a", few)
    assert difference.min() >= 0
    assert difference.mean() == pytest.approx(1 / 30, abs=0.01)


def test_readings_of_a_run(result: BenchmarkResult) -> None:
    found = readings(result.cases, result.plan)
    gains = found[found["reading"].isin(["gain at retention", "certified gain"])]
    headline = gains[gains["copies"] == "without"]
    assert (headline["low"] <= headline["mean"]).all()
    assert (headline["mean"] <= headline["high"]).all()
    means = headline[headline["class"] == MEAN].set_index(
        ["reading", "level", "k", "method"]
    )
    for key, rows in headline[headline["class"] != MEAN].groupby(
        ["reading", "level", "k", "method"]
    ):
        assert means.loc[key, "mean"] == pytest.approx(rows["mean"].mean())
    f1 = found[(found["reading"] == "macro-F1") & (found["level"] == 0.05)]
    f1 = f1[(f1["class"] == MEAN) & (f1["copies"] == "without") & (f1["k"] == "all")]
    by = f1.set_index("method")["mean"]
    assert by["before"] < by["Fisher"] < 1
    assert by["before"] < by["retrained network"] < 1


def test_comparisons_are_paired(result: BenchmarkResult) -> None:
    found = comparisons(result.cases, result.plan)
    assert set(found["other"]) == {"XGBoost", "retrained network's class score"}
    row = found.query("k == 'all' and damage == 0.05 and reading == 'curve'")
    beside = row.set_index("other").loc["XGBoost"]
    assert beside["difference"] == pytest.approx(beside["gain"] - beside["other_gain"])
    assert beside["low"] <= beside["difference"] <= beside["high"]
    same = [(c.hits["all", 0.05, "auto", "curve"]).mean() for c in result.cases]
    assert beside["gain"] == pytest.approx(np.mean(same))


def test_what_is_above_the_null_and_what_is_not(tables: Path) -> None:
    class Noise(FisherDetector):
        def decision_function(self, X: Any) -> NDArray[np.float64]:
            return np.random.default_rng(0).normal(size=len(X))

    methods = {"auto": lambda damage, seed: Noise(), "Fisher": METHODS["Fisher"]}
    found = run_benchmark({0: sources_of([tables])}, Plan.quick(), methods=methods)
    verdicts = null_verdicts(found.cases, readings(found.cases, found.plan))
    above = verdicts[verdicts["damage"] == 0.01].set_index(["class", "method"])["above"]
    for label in ("happy", "sad"):
        assert above[label, "Fisher"]
        assert not above[label, "auto"]
    assert "sad at 0.01" in not_above(verdicts)
    assert not_above(verdicts, "Fisher") == []


def test_one_table_of_a_network_that_knows_all(tables: Path, tmp_path: Path) -> None:
    options = ("--features", tables / "all.npz", "--out", tmp_path / "out", "--quick")
    refused = run(*options)
    assert refused.exit_code == 2
    assert "knows all classes" in refused.output and "rare" in refused.output
    found = run(*options, "--protocol", "rare", "--classes", "sad", "angry")
    assert found.exit_code == 0, found.output
    rows = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert set(rows["class"]) == {"sad", "angry"}
    assert "no table" not in found.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "joy"], "no table to correct 'joy'"),
        (["--layers", "third"], "no layer 'third'; there are first, second, logits"),
        (["--seeds", "-1"], "seeds must be 0 or more"),
        (["--data", "."], "either --data or --features"),
        (["--protocol", "some"], "'some' is not one of"),
    ],
)
def test_clear_errors(
    tables: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    found = run("--features", tables, "--out", tmp_path / "out", *options)
    assert found.exit_code == 2
    assert message in found.output
    assert not (tmp_path / "out" / "results.md").exists()


def test_tables_that_do_not_go_together(
    tables: Path, tmp_path: Path, table_of: MakeTable
) -> None:
    with pytest.raises(ValueError, match=r"no \.npz file in"):
        sources_of([tmp_path])
    shutil.copy(tables / "sad.npz", tmp_path / "again.npz")
    with pytest.raises(ValueError, match="2 tables are for sad"):
        sources_of([tables, tmp_path])
    table = replace(table_of("sad"), target=None)
    odd = np.where(np.arange(len(table)) % 7 == 0, "joy", table.labels)
    replace(table, labels=odd).save(tmp_path / "again.npz")
    with pytest.raises(ValueError, match="does not know joy, sad; say which"):
        sources_of([tmp_path])


def test_files_are_written_whole_or_not_at_all(
    result: BenchmarkResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(result, tmp_path, "first")
    before = (tmp_path / "results.parquet").read_bytes()
    n_files = len(list(tmp_path.iterdir()))

    def fails(self: Any, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fails)
    with pytest.raises(OSError, match="disk full"):
        write_results(result, tmp_path, "second")
    assert (tmp_path / "results.parquet").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == n_files


def blurred(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean of 36 parts of every picture."""
    parts = images.reshape(len(images), 6, 8, 6, 8).mean(axis=(2, 4))
    return parts.reshape(len(images), 36).astype(np.float32)


def linear_network(faces: Faces, target: str | None, checkpoint: Path) -> FeatureTable:
    """What a network says of faces, from the same interface, in no time."""
    checkpoint.with_suffix(".txt").write_text("trained")
    seen, Z = faces.split == "train", blurred(faces.images)
    model = LogisticRegression(max_iter=200).fit(Z[seen] / 255, faces.names[seen])
    logits = model.decision_function(Z / 255)
    if logits.ndim == 1:
        logits = np.column_stack([-logits, logits])
    return FeatureTable(
        {"parts": Z},
        logits.astype(np.float32),
        tuple(model.classes_.tolist()),
        faces.names,
        faces.split,
        faces.duplicate,
        faces.ids,
        target,
    )


def use_linear_network(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    trained: list[str | None] = []

    def network(faces: Faces, target: str | None, checkpoint: Path) -> FeatureTable:
        trained.append(target)
        return linear_network(faces, target, checkpoint)

    monkeypatch.setattr(cli, "torch_network", lambda *args, **options: network)
    return trained


def test_from_faces_to_results(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = use_linear_network(monkeypatch)
    options = ["--data", fer_file, "--out", tmp_path, "--quick", "--resume"]
    found = run(*options)
    assert found.exit_code == 0, found.output
    # --quick: the two rarest classes of the training part
    assert trained[0] is None and len(trained) == 3
    assert "900 faces (fer2013-npz), 0 files" in (tmp_path / "results.md").read_text()
    assert run(*options).exit_code == 0
    assert len(trained) == 3
    # other choices for the training are another network, other layers another table
    assert run(*options, "--epochs", "4").exit_code == 0
    assert len(trained) == 6
    assert run(*options, "--layers", "logits").exit_code == 0
    assert len(trained) == 9


def test_a_thinned_class(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_linear_network(monkeypatch)
    options = ["--data", fer_file, "--out", tmp_path, "--quick", "--classes", "sad"]
    found = run(*options, "--protocol", "rare", "--images", "3")
    assert found.exit_code == 0, found.output
    (path,) = (tmp_path / "tables").glob("*sad*.npz")
    table = FeatureTable.load(path)
    assert table.classes == ("angry", "happy", "sad") and table.target == "sad"
    assert ((table.split == "train") & (table.labels == "sad")).sum() == 3


def test_the_exit_code_says_that_input_was_left_out(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_linear_network(monkeypatch)
    with np.load(fer_file) as stored:
        arrays = dict(stored)
    arrays["labels"][5] = 9
    np.savez(tmp_path / "bad.npz", **arrays)
    found = run("--data", tmp_path / "bad.npz", "--out", tmp_path / "out", "--quick")
    assert found.exit_code == cli.LEFT_OUT
    assert "row 5: label 9" in found.output
    assert "row 5: label 9" in (tmp_path / "out" / "results.md").read_text()


def test_a_recipe_file(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def network(choices: dict[str, Any], **options: Any) -> Any:
        seen.append(choices)
        return linear_network

    monkeypatch.setattr(cli, "torch_network", network)
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"loss": "focal", "epochs": 9}')
    options = ["--data", fer_file, "--out", tmp_path / "out", "--quick"]
    found = run(*options, "--recipe", recipe, "--size", "base", "--seeds", "4")
    assert found.exit_code == 0, found.output
    assert seen == [{"loss": "focal", "epochs": 9, "size": "base", "seed": 4}]
    recipe.write_text("[1]")
    assert "must hold choices by name" in run(*options, "--recipe", recipe).output
    recipe.write_text("{")
    assert "is no JSON file" in run(*options, "--recipe", recipe).output


def test_without_torch_the_way_out_is_named(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rarecorrect_face.nets.prediction", None)
    found = run("--data", fer_file, "--out", tmp_path, "--quick")
    assert found.exit_code == 2
    assert "install rarecorrect[face]" in found.output
    assert "--features" in found.output
    with pytest.raises(ImportError, match="needs torch"):
        torch_network({})


def test_the_rarest_classes(fer_file: Path) -> None:
    with np.load(fer_file) as stored:
        arrays = dict(stored)
    parts = np.array(["train", "calibration", "test"])[arrays["split"]]
    names = arrays["class_names"].tolist()
    faces = Faces.of(arrays["images"], arrays["labels"], names, parts)
    counts = {n: int(((faces.names == n) & (parts == "train")).sum()) for n in names}
    assert rarest(faces, 2) == sorted(names, key=lambda name: counts[name])[:2]
    with pytest.raises(ValueError, match="no class 'joy'"):
        make_tables(faces, linear_network, Path(), classes=["joy"])


def test_a_table_of_three_classes_and_a_network_of_two(tables: Path) -> None:
    targets = {source.target for source in sources_of([tables])}
    assert targets == {None, "happy", "sad"}
