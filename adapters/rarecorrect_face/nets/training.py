"""Training: epochs, averaged weights, the choice of the epoch, going on after a stop.

Everything random in an epoch comes from the seed and the number of the epoch, and the
learning rate from the number of the step.  So a run that was stopped goes on as if it
had not been, from its weights and the optimizer's moments alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rarecorrect_face.faces import Faces
from rarecorrect_face.nets.augment import augmented, mixed
from rarecorrect_face.nets.checkpoint import load_tensors, network_of, read, write
from rarecorrect_face.nets.devices import autocast, device_of, seeded
from rarecorrect_face.nets.lesson import Lesson
from rarecorrect_face.nets.losses import loss_of
from rarecorrect_face.nets.progress import epoch_bar
from rarecorrect_face.nets.sampling import epoch_order
from rarecorrect_face.nets.torch_model import TorchModel
from rarecorrect_face.nets.trained import Epoch, TrainedNetwork, best_of
from rarecorrect_face.recipe import Recipe

_CURRENT, _AVERAGE, _MOMENTS = "current/", "average/", "moments/"


def train(
    faces: Faces,
    recipe: Recipe | None = None,
    *,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], Any] | None = None,
) -> TrainedNetwork:
    """Train a network on the faces of split ``"train"``; no others teach it.

    The epoch is chosen on held-out training faces: those of split ``"fit"``, or, where
    there are none, a tenth of ``"train"`` that is set aside first.  The network knows
    the classes that occur among its training faces, and no others.

    Parameters
    ----------
    faces : Faces
    recipe : Recipe, optional
    checkpoint : str or Path, optional
        Written after every epoch.
    resume : bool, default=False
        Go on from the checkpoint, if there is one.
    on_epoch : callable, optional
        Told every epoch that is finished.  Without, a terminal shows a bar.

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    ValueError
        For fewer than two classes, no held-out faces, or a checkpoint of another
        recipe or of other faces.
    """
    recipe = Recipe() if recipe is None else recipe
    lesson = Lesson.of(faces, recipe)
    run = _Run(lesson, recipe)
    if resume and checkpoint is not None and Path(checkpoint).exists():
        run.go_on_from(checkpoint)
    with nullcontext(on_epoch) if on_epoch else epoch_bar(recipe.epochs) as tell:
        while not run.is_over:
            epoch = run.one_epoch()
            if checkpoint is not None:
                run.save(checkpoint)
            tell(epoch)
    return run.trained()


class _Run:
    """Weights, their average, moments and epochs of a training run."""

    def __init__(self, lesson: Lesson, recipe: Recipe) -> None:
        self.lesson, self.recipe = lesson, recipe
        self.device = device_of(recipe.device)
        self.network = network_of(recipe, len(lesson.classes)).to(self.device)
        # ten views are for service: they would cost as much as the training itself
        self.network.ten_crop = False
        # on a GPU, `to` puts the weights of the copied LSTM side by side again
        self.average = deepcopy(self.network).to(self.device).eval()
        self.best = _copied(self.average)
        self.optimizer = _optimizer(self.network, recipe)
        self.loss = loss_of(recipe, lesson.counts.to(self.device))
        self.images = lesson.images.to(self.device)
        self.targets = lesson.targets.to(self.device)
        self.epochs: list[Epoch] = []

    @property
    def is_over(self) -> bool:
        done, patience = len(self.epochs), self.recipe.patience
        best = best_of(self.epochs)
        waited = done - best.number if best else 0
        return done >= self.recipe.epochs or 0 < patience <= waited

    def one_epoch(self) -> Epoch:
        begin, number = time.perf_counter(), len(self.epochs) + 1
        rng = np.random.default_rng([self.recipe.seed, number])
        order = epoch_order(self.lesson.labels, self.recipe.sampler, rng)
        batches = _batches(order, self.recipe.batch_size)
        step, total = (number - 1) * len(batches), 0.0
        self.network.train()
        with seeded(int(rng.integers(2**31))):
            for i, rows in enumerate(batches):
                progress = (step + i + 1) / len(batches)  # in epochs
                for group in self.optimizer.param_groups:
                    group["lr"] = learning_rate(self.recipe, progress)
                total += self._one_step(rows, rng) * len(rows)
                self._move_average(step + i)
        seen = sum(len(rows) for rows in batches)
        accuracy = self._accuracy()
        seconds = time.perf_counter() - begin
        self.epochs.append(Epoch(number, total / seen, accuracy, seconds))
        if self.epochs[-1] is best_of(self.epochs):
            self.best = _copied(self.average)
        return self.epochs[-1]

    def _one_step(self, rows: Tensor, rng: np.random.Generator) -> float:
        at = rows.to(self.device)
        faces = augmented(self.images[at].float(), self.recipe, rng)
        targets = self.targets[at]
        if self.recipe.mixup:
            faces, targets = mixed(faces, targets, self.recipe.mixup, rng)
        with autocast(self.device, self.recipe.precision):
            logits = self.network(faces)
        loss = self.loss(logits.float(), targets)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ValueError(
                f"the loss is {value}: lower learning_rate="
                f"{self.recipe.learning_rate}, or set precision='float32'"
            )
        return value

    @torch.no_grad()
    def _move_average(self, step: int) -> None:
        # early weights are far from all later ones: a short memory at first
        decay = min(self.recipe.ema, (1 + step) / (10 + step))
        current = self.network.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(current[name], 1 - decay)
            else:
                mean.copy_(current[name])

    def _accuracy(self) -> float:
        held_out = self.lesson.held_out
        model = TorchModel(
            self.average,
            classes=self.lesson.classes,
            precision=self.recipe.precision,
        )
        return float(np.mean(model.predict(held_out.images) == held_out.names))

    def trained(self) -> TrainedNetwork:
        """The network with the weights of the best epoch."""
        network = network_of(self.recipe, len(self.lesson.classes)).to(self.device)
        network.load_state_dict(self.best)
        return TrainedNetwork(
            network.eval(),
            self.lesson.classes,
            self.recipe,
            tuple(self.epochs),
            self.lesson.held_out.ids,
        )

    def save(self, path: str | Path) -> None:
        rest = {_CURRENT + n: t for n, t in self.network.state_dict().items()}
        rest |= {_AVERAGE + n: t for n, t in self.average.state_dict().items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            rest |= {f"{_MOMENTS}{i}/{name}": t for name, t in moments.items()}
        write(path, self.trained(), rest, {"lesson": self.lesson.digest})

    def go_on_from(self, path: str | Path) -> None:
        trained, rest, words = read(path)
        where = Path(path).name
        if reason := trained.recipe.difference(self.recipe):
            raise ValueError(
                f"{where} is of another recipe: {reason}; train with that recipe, or "
                "with resume=False"
            )
        if words.get("lesson") != self.lesson.digest:
            raise ValueError(
                f"{where} is of other training faces, or holds no run to go on with; "
                "name another file, or train with resume=False"
            )
        load_tensors(self.network, rest, _CURRENT)
        load_tensors(self.average, rest, _AVERAGE)
        state = self.optimizer.state_dict()
        state["state"] = _moments(rest)
        self.optimizer.load_state_dict(state)
        self.best = _copied(trained.network)
        self.epochs = list(trained.epochs)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Learning rate of a step.

    Parameters
    ----------
    recipe : Recipe
    progress : float
        Epochs done, with the step.

    Returns
    -------
    float

    Examples
    --------
    >>> recipe = Recipe(learning_rate=1.0, warmup_epochs=2.0, epochs=10)
    >>> [round(learning_rate(recipe, at), 3) for at in (1, 2, 6, 10)]
    [0.5, 1.0, 0.5, 0.0]
    """
    warm = recipe.warmup_epochs
    rate = recipe.learning_rate
    if progress < warm:
        return rate * progress / warm
    if recipe.schedule == "constant":
        return rate
    done = (progress - warm) / max(recipe.epochs - warm, 1e-9)
    return rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    # a decay of offsets and of the scales of batch norm only shifts the data
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate)


def _batches(order: Any, size: int) -> list[Tensor]:
    """Batches of full size; a single smaller one where there is no full one."""
    whole = max(order.size // size, 1)
    return [torch.from_numpy(order[i * size : (i + 1) * size]) for i in range(whole)]


def _moments(rest: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for key, values in rest.items():
        if key.startswith(_MOMENTS):
            i, name = key.removeprefix(_MOMENTS).split("/")
            found.setdefault(int(i), {})[name] = values
    return found


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in network.state_dict().items()}
