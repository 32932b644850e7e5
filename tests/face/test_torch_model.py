"""TorchModel: any network as a legacy model, alone and in a corrector."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.needs_torch

from numpy.testing import assert_allclose, assert_array_equal  # noqa: E402
from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402
from torch import nn  # noqa: E402

import rarecorrect  # noqa: E402
from rarecorrect import ErrorCorrector  # noqa: E402
from rarecorrect_face.nets.torch_model import TorchModel  # noqa: E402

NAMES = ["corner", "cross", "ring"]
SIDE = 12


def pictures(labels, seed=0):
    """Small pictures: a corner, a cross, a ring, or a bar, in noise."""
    rng = np.random.default_rng(seed)
    made = rng.normal(0, 1.0, (len(labels), SIDE, SIDE))
    for picture, label in zip(made, labels, strict=True):
        i, j = rng.integers(0, 4, 2)
        part = picture[i : i + 8, j : j + 8]
        if label == "corner":
            part[0, :] += 2
            part[:, 0] += 2
        elif label == "cross":
            part[4, :] += 2
            part[:, 4] += 2
        elif label == "ring":
            part[[0, -1], :] += 2
            part[:, [0, -1]] += 2
        else:
            part[2:4, :] += 2
    return made.astype(np.float32)


def drawn(n, names, seed):
    labels = np.random.default_rng(seed).choice(names, n)
    return pictures(labels, seed), labels


def standardise(batch):
    x = torch.as_tensor(np.asarray(batch)).float()[:, None]
    return x / x.std(dim=(1, 2, 3), keepdim=True)


def small_net(n_classes=3):
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, n_classes),
    )


@pytest.fixture(scope="module")
def net():
    """A network that was trained before bars existed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = small_net()
        X, y = drawn(600, NAMES, seed=1)
        x, codes = standardise(X), torch.tensor([NAMES.index(name) for name in y])
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(12):
            for rows in torch.randperm(600).split(50):
                loss = nn.functional.cross_entropy(net(x[rows]), codes[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return net


@pytest.fixture
def model(net):
    return TorchModel(net, ["4", "7"], classes=NAMES, preprocess=standardise)


X, Y = drawn(70, NAMES, seed=2)


# --- answers --------------------------------------------------------------------------


def test_answers_are_those_of_the_network_in_service(model, net):
    net.train()  # as somebody left it
    proba, labels = model.predict_proba(X), model.predict(X)
    assert net.training and net[8].training
    net.eval()
    with torch.inference_mode():
        logits = net(standardise(X))
    assert_allclose(proba, logits.softmax(1), atol=1e-5)
    assert_allclose(proba.sum(axis=1), 1)
    assert_allclose(model.decision_function(X), logits, atol=1e-4)
    assert_array_equal(labels, np.array(NAMES)[logits.argmax(1)])
    assert model.score(X, Y) > 0.9


def test_inner_layers_are_read_in_the_same_pass(model, net):
    calls = []
    handle = net.register_forward_hook(lambda *_: calls.append(1))
    logits, tables = model.read(X)
    handle.remove()
    assert len(calls) == 2  # batches of 64
    with torch.inference_mode():
        maps = net.eval()[:5](standardise(X))
    assert_allclose(tables["4"], maps.mean(dim=(2, 3)), atol=1e-5)
    assert_allclose(tables["7"] @ net[9].weight.detach().numpy().T, logits, atol=2)
    assert tables["7"].shape == (70, 24)


def test_maps_can_be_read_part_by_part(model, net):
    tables = model.read(X, ["4", "4@2", "4@3"])[1]
    with torch.inference_mode():
        maps = net.eval()[:5](standardise(X))
    parts = maps.reshape(70, 24, 2, 3, 2, 3).mean(dim=(3, 5))
    assert_allclose(tables["4@2"], parts.flatten(1), atol=1e-5)
    nine = tables["4@3"].reshape(70, 24, 9)
    assert_allclose(nine.mean(axis=2), tables["4"], atol=1e-5)
    with pytest.raises(ValueError, match=r"'4@7': 7 x 7 parts need maps .* 24, 6, 6"):
        model.read(X, ["4@7"])
    with pytest.raises(ValueError, match=r"'7@2': 2 x 2 parts need maps"):
        model.read(X, ["7@2"])
    with pytest.raises(ValueError, match="no layer '44'"):
        model.read(X, ["44@2"])


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_size_of_the_batch_changes_nothing(model, batch_size):
    other = TorchModel(
        model.net, classes=NAMES, preprocess=standardise, batch_size=batch_size
    )
    assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_two_classes_from_two_logits_or_one():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        two, one = nn.Linear(4, 2), nn.Linear(4, 1)
    with torch.no_grad():
        one.weight.copy_(two.weight[1:] - two.weight[:1])
        one.bias.copy_(two.bias[1:] - two.bias[:1])
    rows = np.random.default_rng(0).standard_normal((20, 4))
    first, other = (TorchModel(net, classes=["no", "yes"]) for net in (two, one))
    assert first.decision_function(rows).shape == (20,)
    for name in ("predict_proba", "decision_function"):
        assert_allclose(getattr(first, name)(rows), getattr(other, name)(rows), 1e-4)
    assert_array_equal(first.predict(rows), other.predict(rows))
    positive = first.decision_function(rows) > 0
    assert_array_equal(first.predict(rows) == "yes", positive)


def test_rows_may_be_lists_and_none_at_all():
    model = TorchModel(nn.Linear(2, 3), ["0"] * 0, classes=[5, 7, 9])
    assert model.predict_proba([[1, 2], [3, 4]]).shape == (2, 3)
    assert model.predict(np.empty((0, 2))).shape == (0,)


# --- the manners of an estimator ------------------------------------------------------


def test_it_is_a_fitted_classifier_that_cannot_be_refitted(model):
    check_is_fitted(model)
    assert is_classifier(model)
    before = model.predict_proba(X)
    assert model.fit(X, Y[::-1]) is model and clone(model) is model
    assert_array_equal(model.predict_proba(X), before)
    assert_array_equal(FrozenEstimator(model).fit(X, Y).predict_proba(X), before)
    assert model.get_params()["layers"] == ["4", "7"]
    assert model.classes_.tolist() == NAMES


def test_it_answers_the_same_after_pickling(model):
    back = pickle.loads(pickle.dumps(model))
    assert_array_equal(back.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"classes": ["a", "b"]}, r"shape \(70, 2\), one column .* got \(70, 3\)"),
        ({"layers": ["fc"]}, "Sequential has no layer 'fc'; it has 0, 1"),
        ({"batch_size": 0}, "batch_size must be a whole number above 0, got 0"),
    ],
)
def test_what_does_not_fit_the_network_is_named(net, choices, message):
    chosen = {"classes": NAMES, "preprocess": standardise, "batch_size": 99} | choices
    with pytest.raises(ValueError, match=message):
        TorchModel(net, **chosen).read(X)


def test_layers_and_scores_come_from_one_pass(model):
    scores, tables = model.read_layers(X, ["7"])
    assert_array_equal(scores, model.predict_proba(X))
    assert_array_equal(tables["7"], model.read(X, ["7"])[1]["7"])
    with pytest.raises(ValueError, match="no layer 'fc'"):
        model.read_layers(X, ["fc"])


# --- in a corrector -------------------------------------------------------------------


@pytest.fixture(scope="module")
def corrected(net):
    model = TorchModel(net, classes=NAMES, preprocess=standardise)
    weights = {name: t.clone() for name, t in net.state_dict().items()}
    seen, labels = drawn(1500, [*NAMES, "bar"], seed=3)
    corrector = ErrorCorrector(
        model,
        features=["layer:4", "layer:7", "logits"],
        max_damage=0.05,
        random_state=0,
    ).fit(seen, labels)
    assert all(torch.equal(weights[n], t) for n, t in net.state_dict().items())
    return corrector


def test_a_corrector_learns_a_class_that_the_network_never_saw(corrected):
    model = corrected.estimator_
    seen, labels = drawn(1000, [*NAMES, "bar"], seed=4)
    before, after = model.predict(seen), corrected.predict(seen)
    right = before == labels
    assert corrected.estimator_ is corrected.estimator
    assert (after[labels == "bar"] == "bar").mean() > 0.5
    assert (after[right] != labels[right]).mean() < 0.08
    assert (after == labels).mean() > right.mean() + 0.08


def test_features_carry_the_names_of_the_layers(corrected):
    names = corrected.features_.names_
    assert names[0] == "layer:4[0]" and names[-1] == "logit[ring]"
    assert len(names) == 24 + 24 + 3


def test_a_corrector_learns_from_parts_of_maps(model, tmp_path):
    rows, labels = drawn(600, [*NAMES, "bar"], seed=3)
    corrector = ErrorCorrector(model, features=["layer:4@2", "logits"], max_damage=0.1)
    corrector.fit(rows, labels)
    before, after = (m.predict(rows) == "bar" for m in (model, corrector))
    assert not before.any() and after[labels == "bar"].mean() > 0.3
    rarecorrect.save(corrector, tmp_path / "fix.rarecorrect")
    again = rarecorrect.load(tmp_path / "fix.rarecorrect", estimator=model)
    assert_array_equal(again.predict(X), corrector.predict(X))


def test_a_corrector_around_a_network_can_be_cloned_and_pickled(corrected):
    assert clone(corrected).estimator is corrected.estimator
    seen, _ = drawn(50, [*NAMES, "bar"], seed=5)
    back = pickle.loads(pickle.dumps(corrected))
    assert_array_equal(back.predict(seen), corrected.predict(seen))
