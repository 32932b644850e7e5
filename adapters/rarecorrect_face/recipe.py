"""Every choice of a training run by name; needs no torch."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real
from typing import Any, NamedTuple, Self


class Size(NamedTuple):
    """How large a network is.

    Attributes
    ----------
    channels : tuple of int
        Maps after the first layer and after each of three stages.
    blocks : int
        Residual blocks in a stage.
    n_hidden : int
        Units of the LSTM in each direction.
    n_embedding : int
    """

    channels: tuple[int, int, int, int]
    blocks: int
    n_hidden: int
    n_embedding: int


SIZES = {
    "small": Size((32, 48, 96, 192), 1, 64, 128),
    "base": Size((64, 128, 256, 384), 2, 128, 256),
}
CHOICES = {
    "size": tuple(SIZES),
    "schedule": ("cosine", "constant"),
    "loss": ("cross-entropy", "focal", "class-balanced", "logit-adjusted"),
    "sampler": ("none", "class-balanced"),
    "precision": ("auto", "float32", "bfloat16"),
}


class _Range(NamedTuple):
    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        if self.high == float("inf"):
            return f"{'above' if self.open_low else 'at least'} {self.low:g}"
        brackets = "(["[not self.open_low], ")]"[not self.open_high]
        return f"in {brackets[0]}{self.low:g}, {self.high:g}{brackets[1]}"


_ANY, _SHARE = float("inf"), _Range(0, 1)
_BELOW_ONE = _Range(0, 1, open_high=True)
_FROM_ZERO = _Range(0, _ANY, open_high=True)
_RANGES = {
    "epochs": _Range(1, _ANY, open_high=True),
    "batch_size": _Range(2, _ANY, open_high=True),
    "learning_rate": _Range(0, _ANY, open_low=True, open_high=True),
    "weight_decay": _FROM_ZERO,
    "warmup_epochs": _FROM_ZERO,
    "patience": _FROM_ZERO,
    "ema": _BELOW_ONE,
    "gamma": _FROM_ZERO,
    "beta": _BELOW_ONE,
    "tau": _FROM_ZERO,
    "soft_labels": _SHARE,
    "label_smoothing": _BELOW_ONE,
    "dropout": _BELOW_ONE,
    "shift": _FROM_ZERO,
    "rotation": _Range(0, 180),
    "zoom": _BELOW_ONE,
    "erasing": _SHARE,
    "mixup": _FROM_ZERO,
    "seed": _FROM_ZERO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is built, trained and asked.

    Attributes
    ----------
    size : {"small", "base"}
        ``"small"`` has under a million parameters, for a CPU; ``"base"`` eight.
    epochs, batch_size : int
    learning_rate : float
        The highest, of AdamW.
    weight_decay : float
    schedule : {"cosine", "constant"}
        Of the learning rate after the warm-up; ``"cosine"`` ends near 0.
    warmup_epochs : float
        Epochs over which the learning rate rises from 0.
    patience : int
        Stop after so many epochs without a better accuracy on held-out faces; 0: never.
    ema : float
        Decay of the moving average of the weights, which is what is evaluated and kept;
        0: the weights of the last step.
    loss : {"cross-entropy", "focal", "class-balanced", "logit-adjusted"}
    gamma : float
        Of ``"focal"``: faces that are read well count less; 0: cross-entropy.
    beta : float
        Of ``"class-balanced"``: a class of n faces counts as (1 - beta^n) / (1 - beta);
        0: cross-entropy.
    tau : float
        Of ``"logit-adjusted"``: strength; 0: cross-entropy.
    sampler : {"none", "class-balanced"}
        ``"class-balanced"``: every class is drawn equally often.
    soft_labels : float
        Weight of the crowd's votes against the label, where there are votes.
    label_smoothing : float
        Share of every target that is spread over all classes.
    dropout : float
        Before the last layer.
    flip : bool
        Mirror every other face.
    shift : float
        Largest move of a face in pixels, to either side and up or down.
    rotation : float
        Largest angle in degrees.
    zoom : float
        Largest relative change of size.
    erasing : float
        Share of faces that get a blank rectangle.
    mixup : float
        Faces and their targets are mixed in shares drawn from Beta(mixup, mixup); 0:
        never.
    ten_crop : bool
        Answer with the mean over ten views of a face: in place and moved to four
        corners, each also mirrored.  Ten times the time.
    precision : {"auto", "float32", "bfloat16"}
        In training.  ``"auto"``: bfloat16 where the device computes with it.
    channels_last : bool
        Order of the maps in memory.
    seed : int
    device : str
        ``"auto"``: CUDA if there is a GPU, else the CPU; or a name torch knows.

    Raises
    ------
    ValueError
        For a value that is of the wrong type, out of range or unknown.

    Examples
    --------
    >>> recipe = Recipe(size="base", epochs=30, loss="focal")
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    >>> Recipe.from_dict({"epoch": 3})
    Traceback (most recent call last):
        ...
    ValueError: a recipe has no 'epoch'; did you mean 'epochs'?
    """

    size: str = "small"
    epochs: int = 45
    batch_size: int = 128
    learning_rate: float = 0.003
    weight_decay: float = 0.05
    schedule: str = "cosine"
    warmup_epochs: float = 2.0
    patience: int = 0
    ema: float = 0.998
    loss: str = "cross-entropy"
    gamma: float = 2.0
    beta: float = 0.999
    tau: float = 1.0
    sampler: str = "none"
    soft_labels: float = 0.0
    label_smoothing: float = 0.1
    dropout: float = 0.3
    flip: bool = True
    shift: float = 4.0
    rotation: float = 10.0
    zoom: float = 0.1
    erasing: float = 0.1
    mixup: float = 0.0
    ten_crop: bool = False
    precision: str = "auto"
    channels_last: bool = True
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), type(field.default))

    def to_dict(self) -> dict[str, Any]:
        """Every choice by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, choices: Mapping[str, Any]) -> Self:
        """Make a recipe from choices by name; those left out keep their defaults.

        Raises
        ------
        ValueError
            For a name that there is not, or a value that is not allowed.
        """
        known = [field.name for field in fields(cls)]
        for name in choices:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {known}"
                raise ValueError(f"a recipe has no {name!r}; {hint}")
        return cls(**choices)

    def to_json(self) -> str:
        """Every choice by name, as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a recipe from JSON.

        Raises
        ------
        ValueError
            If the text is no JSON object, or as in :meth:`from_dict`.
        """
        try:
            choices = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a recipe must be JSON: {error}") from error
        if not isinstance(choices, dict):
            raise ValueError(f"a recipe must be a JSON object, got {text[:40]!r}")
        return cls.from_dict(choices)

    def difference(self, other: Recipe) -> str:
        """First choice in which another recipe differs, in words; empty if none does.

        Where and how fast it is computed does not count.
        """
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if field.name not in ("device", "channels_last") and mine != theirs:
                return f"{field.name} is {mine!r} there and {theirs!r} here"
        return ""


def _check(name: str, value: Any, kind: type) -> None:
    if kind is str:
        allowed = CHOICES.get(name)
        if not isinstance(value, str) or (allowed and value not in allowed):
            choice = f"one of {', '.join(allowed)}" if allowed else "a name"
            raise ValueError(f"{name} must be {choice}, got {value!r}")
    elif kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, got {value!r}")
    elif not _is_number(value, kind):
        word = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name} must be {word}, got {value!r}")
    elif not _RANGES[name].holds(value):
        raise ValueError(f"{name} must be {_RANGES[name]}, got {value}")


def _is_number(value: Any, kind: type) -> bool:
    # NaN and infinity lie in no range; true and false are numbers to Python
    return isinstance(value, int if kind is int else Real) and not isinstance(
        value, bool
    )
