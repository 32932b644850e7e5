"""Training, checkpoints, the table of features: on faces that are patterns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from rarecorrect_face.faces import Faces  # noqa: E402
from rarecorrect_face.feature_table import FeatureTable  # noqa: E402
from rarecorrect_face.nets import training  # noqa: E402
from rarecorrect_face.nets.checkpoint import load, save  # noqa: E402
from rarecorrect_face.nets.head import retrain_head  # noqa: E402
from rarecorrect_face.nets.lesson import Lesson  # noqa: E402
from rarecorrect_face.nets.network import LAYERS, AttentionLSTM  # noqa: E402
from rarecorrect_face.nets.prediction import feature_table  # noqa: E402
from rarecorrect_face.nets.sampling import epoch_order  # noqa: E402
from rarecorrect_face.nets.trained import TrainedNetwork  # noqa: E402
from rarecorrect_face.nets.training import learning_rate, train  # noqa: E402
from rarecorrect_face.networks import torch_network  # noqa: E402
from rarecorrect_face.recipe import Recipe  # noqa: E402

NAMES = ("lying", "standing", "checked", "blob")
# what 64 faces need to be learnt in seconds
QUICK = Recipe(
    epochs=8,
    batch_size=16,
    learning_rate=0.003,
    weight_decay=0.0,
    warmup_epochs=1.0,
    ema=0.5,
    label_smoothing=0.0,
    dropout=0.0,
    shift=1.0,
    rotation=0.0,
    zoom=0.0,
    erasing=0.0,
    mixup=0.0,
    precision="float32",
    device="cpu",
)
SHORT = replace(QUICK, epochs=3, dropout=0.2, mixup=0.3, erasing=0.3)


def patterns(n, split, seed=0):
    """Faces of four patterns, as many of each; at random places, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    down, across = np.mgrid[:48, :48]
    pictures = np.empty((n, 48, 48))
    for i, label in enumerate(labels):
        a, b = rng.uniform(0, 6, 2)
        waves = np.sin(down * 0.8 + a), np.sin(across * 0.8 + b)
        distance = (down - 20 - a) ** 2 + (across - 20 - b) ** 2
        blob = 2 * np.exp(-distance / 100)
        pictures[i] = (waves[0], waves[1], waves[0] * waves[1], blob)[label]
    noisy = 120 + 40 * pictures + 15 * rng.standard_normal(pictures.shape)
    ids = [f"{seed}-{i}" for i in range(n)]
    images = noisy.clip(0, 255).astype(np.uint8)
    return Faces.of(images, labels, NAMES, [split] * n, ids=ids)


def joined(*parts):
    return Faces.of(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("images",)),
        np.concatenate([p.labels for p in parts]),
        NAMES,
        np.concatenate([p.split for p in parts]),
        ids=np.concatenate([p.ids for p in parts]),
    )


FACES = joined(
    patterns(64, "train", 0), patterns(32, "fit", 1), patterns(40, "test", 2)
)


@pytest.fixture(scope="module")
def trained():
    return train(FACES, QUICK, on_epoch=print)


def weights(network):
    return {name: t.clone() for name, t in network.state_dict().items()}


def assert_same(first, other):
    ours, theirs = weights(first.network), weights(other.network)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    told = [[(e.number, e.loss, e.accuracy) for e in t.epochs] for t in (first, other)]
    assert told[0] == told[1]


# --- learning -------------------------------------------------------------------------


def test_it_learns_64_faces_and_what_they_have_in_common(trained):
    for split in ("train", "test"):
        part = FACES.part(split)
        assert (trained.predict(part.images) == part.names).mean() > 0.95, split
    assert trained.epochs[-1].loss < 0.5 * trained.epochs[0].loss
    assert trained.best.accuracy == max(e.accuracy for e in trained.epochs)


def test_probabilities_sum_to_one_and_attention_has_the_form_of_the_face(trained):
    images = FACES.images[:5]
    assert_allclose(trained.predict_proba(images).sum(axis=1), 1)
    maps = trained.attention_maps(images)
    assert maps.shape == (5, 6, 6)
    assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_the_seed_decides_everything_and_the_callers_generator_nothing():
    torch.manual_seed(1)
    first = train(FACES, SHORT, on_epoch=print)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = train(FACES, SHORT, on_epoch=print)
    assert_same(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    other = train(FACES, replace(SHORT, seed=1), on_epoch=print)
    assert other.epochs[-1].loss != first.epochs[-1].loss


@pytest.mark.parametrize(
    "choices",
    [
        {"loss": "focal"},
        {"loss": "class-balanced"},
        {"loss": "logit-adjusted"},
        {"sampler": "class-balanced"},
        {"precision": "bfloat16"},
        {"channels_last": False},
        {"schedule": "constant"},
    ],
)
def test_every_choice_trains(choices):
    found = train(FACES, replace(QUICK, epochs=4, **choices), on_epoch=print)
    assert found.best.accuracy > 0.5


def test_only_training_faces_teach_and_only_held_out_ones_choose():
    other = patterns(40, "test", 9)
    changed = joined(FACES.part("train"), FACES.part("fit"), other)
    recipe = replace(SHORT, epochs=1)
    assert_same(
        train(FACES, recipe, on_epoch=print), train(changed, recipe, on_epoch=print)
    )


def test_without_held_out_faces_a_tenth_of_training_is_set_aside():
    lesson = Lesson.of(patterns(80, "train"), QUICK)
    assert len(lesson) == 72 and len(lesson.held_out) == 8
    assert_array_equal(np.bincount(lesson.held_out.labels), 2)


def test_a_class_without_training_faces_is_not_known():
    faces = FACES.for_correction("checked")
    found = train(faces, replace(QUICK, epochs=1), on_epoch=print)
    assert found.classes == ("lying", "standing", "blob")
    assert found.predict_proba(FACES.images[:2]).shape == (2, 3)
    checked = faces.ids[faces.names == "checked"]
    assert not np.isin(checked, found.held_out).any()


def test_every_epoch_has_an_order_of_its_own(monkeypatch):
    orders = []

    def watched(*arguments):
        order = epoch_order(*arguments)
        orders.append(tuple(order))
        return order

    monkeypatch.setattr(training, "epoch_order", watched)
    train(FACES, SHORT, on_epoch=print)
    assert len(set(orders)) == 3


def test_patience_stops_a_run_that_gets_no_better():
    recipe = replace(SHORT, learning_rate=1e-9, warmup_epochs=0.0, patience=2)
    told = []
    train(FACES, replace(recipe, epochs=9), on_epoch=told.append)
    assert len(told) < 9
    assert len(told) - max(told, key=lambda e: e.accuracy).number == 2


def test_the_average_follows_the_weights_with_the_decay_of_the_recipe(monkeypatch):
    path, decay = [], 0.9
    recipe = replace(SHORT, epochs=2, batch_size=8, ema=decay)
    original = training._Run._move_average

    def watched(run, step):
        before = run.average.logits.weight.clone()
        original(run, step)
        path.append((step, before, run.network.logits.weight, run.average))
        share = min(decay, (1 + step) / (10 + step))
        expected = share * before + (1 - share) * run.network.logits.weight
        torch.testing.assert_close(run.average.logits.weight, expected)

    monkeypatch.setattr(training._Run, "_move_average", watched)
    train(FACES, recipe, on_epoch=print)
    assert [step for step, *_ in path] == list(range(16))


def test_the_weights_of_the_best_epoch_are_kept(monkeypatch):
    accuracies, after = iter([0.2, 0.9, 0.9, 0.1]), []
    monkeypatch.setattr(training._Run, "_accuracy", lambda _: next(accuracies))
    run = training._Run(Lesson.of(FACES, SHORT), replace(SHORT, epochs=4))
    while not run.is_over:
        run.one_epoch()
        after.append(weights(run.average))
    found = run.trained()
    assert found.best.number == 2
    kept = weights(found.network)
    assert all(torch.equal(kept[name], after[1][name]) for name in kept)
    assert not torch.equal(kept["logits.weight"], after[3]["logits.weight"])


def test_without_an_average_the_last_weights_are_kept():
    lesson = Lesson.of(FACES, QUICK)
    run = training._Run(lesson, replace(SHORT, ema=0.0))
    run.one_epoch()
    kept, last = weights(run.average), weights(run.network)
    assert all(torch.equal(kept[name], last[name]) for name in kept)


def test_the_learning_rate_rises_then_falls():
    recipe = Recipe(epochs=10, warmup_epochs=2.0, learning_rate=1.0)
    rates = [learning_rate(recipe, at) for at in np.linspace(0.01, 10, 200)]
    top = int(np.argmax(rates))
    assert np.all(np.diff(rates[:top]) > 0) and np.all(np.diff(rates[top:]) < 0)
    assert rates[0] < 0.01 and rates[-1] < 1e-6 and max(rates) <= 1
    constant = replace(recipe, schedule="constant")
    assert learning_rate(constant, 9.9) == 1.0


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        (FACES.take(FACES.labels == 0), "two classes or more, got lying"),
        (FACES.part("test"), "two classes or more, got none"),
        (patterns(12, "train"), "no face is held out"),
    ],
)
def test_faces_that_cannot_teach_are_refused(faces, message):
    with pytest.raises(ValueError, match=message):
        train(faces, QUICK)


def test_a_loss_that_explodes_is_told_with_the_way_out():
    with pytest.raises(ValueError, match=r"the loss is nan: lower learning_rate="):
        train(FACES, replace(QUICK, learning_rate=1e30, warmup_epochs=0.0))


def test_nothing_is_shown_where_nobody_looks(capfd):
    train(FACES, replace(QUICK, epochs=1))
    assert capfd.readouterr() == ("", "")


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match=r"device 'warp' cannot be used .* 'auto'"):
        train(FACES, replace(QUICK, device="warp"))


# --- checkpoints ----------------------------------------------------------------------


class Stopped(Exception):
    """The machine went down."""


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    recipe = replace(SHORT, ema=0.9)
    file, other = tmp_path / "run.safetensors", tmp_path / "whole.safetensors"
    whole = train(FACES, recipe, checkpoint=other, on_epoch=print)

    def stop(epoch):
        if epoch.number == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(FACES, recipe, checkpoint=file, on_epoch=stop)
    told = []
    resumed = train(FACES, recipe, checkpoint=file, resume=True, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [3]
    assert_same(whole, resumed)
    # also what no answer shows yet: weights in training, averages, moments
    expected, found = load_file(other), load_file(file)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_finished_run_is_not_trained_again(tmp_path):
    file, told = tmp_path / "run.safetensors", []
    recipe = replace(SHORT, epochs=1)
    first = train(FACES, recipe, checkpoint=file, resume=True, on_epoch=print)
    again = train(FACES, recipe, checkpoint=file, resume=True, on_epoch=told.append)
    assert told == []
    assert_same(first, again)


def test_a_saved_network_answers_as_before(trained, tmp_path):
    file = tmp_path / "network.safetensors"
    save(trained, file)
    back = load(file, device="cpu")
    images = FACES.images[:20]
    assert_allclose(back.predict_proba(images), trained.predict_proba(images), 1e-4)
    assert back.classes == trained.classes and back.recipe == trained.recipe
    assert back.epochs == trained.epochs
    assert_array_equal(back.held_out, trained.held_out)
    assert [p.name for p in tmp_path.iterdir()] == ["network.safetensors"]


def test_a_checkpoint_of_another_recipe_or_other_faces_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    recipe = replace(SHORT, epochs=1)
    train(FACES, recipe, checkpoint=file, on_epoch=print)
    with pytest.raises(ValueError, match="size is 'small' there and 'base' here"):
        train(FACES, replace(recipe, size="base"), checkpoint=file, resume=True)
    other = joined(FACES.part("train"), patterns(32, "fit", 5))
    with pytest.raises(ValueError, match="of other training faces"):
        train(other, recipe, checkpoint=file, resume=True)
    save(load(file), file)
    with pytest.raises(ValueError, match="holds no run to go on with"):
        train(FACES, recipe, checkpoint=file, resume=True)


def changed(file, **words):
    """Write a file again with another description."""
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        header = json.loads(opened.metadata()["rarecorrect_face"])
    text = json.dumps(header | words)
    save_file(load_file(file), file, {"rarecorrect_face": text})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"recipe": {"size": "base"}}, r"not a 'base' network of 4 classes: tensor"),
        ({"classes": ["a", "b"]}, r"tensor 'logits.weight' is \(4, 128\), the network"),
        ({"format": 2}, "its format is 2, this version knows 1: upgrade"),
        ({"recipe": {"sizes": 1}}, "a recipe has no 'sizes'"),
        ({"epochs": [{"x": 1}]}, "its epochs are no epochs"),
        ({"held_out": None}, "no proper 'held_out'"),
    ],
)
def test_a_file_that_does_not_fit_says_what_does_not(trained, tmp_path, words, message):
    file = tmp_path / "network.safetensors"
    save(trained, file)
    changed(file, **words)
    with pytest.raises(ValueError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith("network.safetensors cannot be read")


def test_a_file_that_is_no_network_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "none.safetensors")
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"not a network")
    with pytest.raises(ValueError, match=r"x\.safetensors cannot be read"):
        load(file)
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="holds no description"):
        load(file)


# --- tables ---------------------------------------------------------------------------


def test_the_table_says_what_the_network_says(trained):
    table = feature_table(trained, FACES)
    assert tuple(table.features) == LAYERS
    assert_array_equal(table.decisions, trained.predict(FACES.images))
    assert table.classes == trained.classes
    assert_array_equal(table.labels, FACES.names)
    x = torch.from_numpy(FACES.images[:9])
    with torch.inference_mode():
        direct = trained.network.features(x)
    for name in LAYERS:
        # another size of batch, another order of sums
        assert_allclose(table.features[name][:9], direct[name], rtol=1e-3, atol=1e-4)


def test_faces_that_the_network_has_not_seen_are_never_called_training_faces():
    faces = FACES.take(FACES.split != "fit")
    recipe = replace(QUICK, epochs=1)
    without = faces.for_correction("blob")
    found = train(without, recipe, on_epoch=print)
    # the table is made from the faces as they came, before anything was set aside
    table = feature_table(found, faces, ["embedding"])
    assert table.unseen == ("blob",)
    assert_array_equal(table.split == "fit", without.split == "fit")
    assert set(table.split[faces.split == "test"]) == {"test"}


def test_a_layer_that_there_is_not_is_named(trained):
    with pytest.raises(ValueError, match=r"no layer 'embeddings'; it has embedding"):
        feature_table(trained, FACES, ["embeddings"])


# --- the last layer anew --------------------------------------------------------------


def thinned(table, name, kept):
    """The table without most training faces of a class."""
    rows = np.flatnonzero((table.labels == name) & (table.split == "train"))[kept:]
    left = np.setdiff1d(np.arange(len(table)), rows)
    return replace(
        table,
        features={n: values[left] for n, values in table.features.items()},
        logits=table.logits[left],
        **{n: getattr(table, n)[left] for n in ("labels", "split", "duplicate", "ids")},
    )


def test_a_new_head_knows_a_class_that_the_network_did_not():
    found = train(FACES.for_correction("blob"), QUICK, on_epoch=print)
    table = feature_table(found, FACES)
    test = FACES.part("test")
    new = retrain_head(found, thinned(table, "blob", 6), splits=["train", "fit"])
    assert new.classes == ("lying", "standing", "checked", "blob")
    recall = (new.predict(test.images) == "blob")[test.names == "blob"].mean()
    assert recall > 0.8
    assert found.network.logits.out_features == 3
    assert_array_equal(
        feature_table(new, FACES, ["embedding"]).features["embedding"],
        table.features["embedding"],
    )


def test_the_classes_are_made_equally_frequent_for_a_new_head():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], [600, 40])
    embedding = np.zeros((640, 128), dtype=np.float32)
    embedding[:, 0] = rng.standard_normal(640) + 1.5 * (labels == "b")
    network = TrainedNetwork(AttentionLSTM(2), ("a", "b"), Recipe(), (), np.array([]))
    table = FeatureTable(
        {"embedding": embedding},
        np.zeros((640, 2), dtype=np.float32),
        ("a", "b"),
        labels,
        np.full(640, "train"),
        np.zeros(640, dtype=bool),
        np.arange(640).astype(str),
    )
    head = retrain_head(network, table).network.logits
    # where the two are equally near, one is as likely as the other
    middle = np.zeros((1, 128), dtype=np.float32)
    middle[0, 0] = 0.75
    with torch.no_grad():
        share = head(torch.from_numpy(middle)).softmax(1)[0, 1]
    assert 0.3 < float(share) < 0.7


def test_two_classes_give_two_logits():
    pair = FACES.take(FACES.labels < 2)
    found = train(pair, replace(QUICK, epochs=3), on_epoch=print)
    new = retrain_head(found, feature_table(found, pair))
    test = pair.part("test")
    assert (new.predict(test.images) == test.names).mean() > 0.95


def test_what_a_head_cannot_be_made_from_is_told(trained):
    table = feature_table(trained, FACES)
    with pytest.raises(ValueError, match=r"'blob' has 3 faces in train; SMOTE .* 6"):
        retrain_head(trained, thinned(table, "blob", 3))
    without = replace(table, features={"conv1": table.features["conv1"]})
    with pytest.raises(ValueError, match="no layer 'embedding', only conv1"):
        retrain_head(trained, without)


# --- real faces -----------------------------------------------------------------------


@pytest.mark.needs_data
def test_an_epoch_on_2000_real_faces_lifts_the_accuracy_above_chance(data_home):
    with np.load(data_home / "fer2013.npz") as stored:
        rows = np.r_[:2000, -2000:0]
        faces = Faces.of(
            stored["images"][rows],
            stored["labels"][rows],
            stored["class_names"],
            np.where(np.arange(4000) < 2000, "train", "test"),
        )
    recipe = replace(QUICK, epochs=1, learning_rate=0.001, sampler="class-balanced")
    found = train(faces, recipe, on_epoch=print)
    test = faces.part("test")
    right = found.predict(test.images) == test.names
    recall = [right[test.labels == label].mean() for label in range(7)]
    # naming one class, or any at random, gives 1/7; the standard error is 0.012
    assert np.mean(recall) > 1 / 7 + 0.025


def test_as_model_is_the_network_under_the_names_of_the_classes(trained):
    model = trained.as_model(["embedding"])
    assert model.net is trained.network
    assert model.classes_.tolist() == list(NAMES)


def test_a_network_may_be_described_without_any_epoch():
    network = TrainedNetwork(AttentionLSTM(2), ("a", "b"), Recipe(), (), np.array([]))
    assert network.best is None


def test_a_benchmark_reads_the_layers_that_are_asked_for(tmp_path):
    choices = {"epochs": 1, "batch_size": 16, "device": "cpu", "precision": "float32"}
    network = torch_network(choices, layers=["conv2@4", "logits"])
    table = network(FACES, None, tmp_path / "network")
    assert {name: z.shape[1] for name, z in table.features.items()} == {
        "conv2@4": 96 * 16
    }
    with pytest.raises(ValueError, match="has no layer 'conv9'"):
        torch_network(choices, layers=["conv9"])
