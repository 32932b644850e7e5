"""The network: it looks at a face region by region and weighs what it saw."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rarecorrect_face.nets.layers import read_layers
from rarecorrect_face.nets.views import ten_views
from rarecorrect_face.recipe import SIZES

# of conv2 also where in the face: in the other layers that did not repair more
LAYERS = ("conv1", "conv2@3", "conv3", "states", "context", "attention", "embedding")
_STRIDE = 8  # three stages, each of which halves the picture


class AttentionLSTM(nn.Module):
    """Convolutions, an LSTM over the regions of the picture, attention over them.

    Three residual stages turn a face of 48 x 48 pixels into 6 x 6 regions.  A
    bidirectional LSTM reads them row by row; attention says how much each counts.
    The embedding is made from their weighted mean and from the plain mean of the maps.

    Brightness and contrast of a picture are taken out of it first.

    Parameters
    ----------
    n_classes : int
    size : {"small", "base"}, default="small"
    dropout : float, default=0.3
        Before the last layer.
    ten_crop : bool, default=False
        Outside of training: answer with the logs of the mean probabilities over ten
        views, see :func:`~rarecorrect_face.nets.views.ten_views`.

    Raises
    ------
    ValueError
        For fewer than two classes or an unknown size.

    Examples
    --------
    >>> network = AttentionLSTM(7).eval()
    >>> faces = torch.rand(2, 48, 48)
    >>> network(faces).shape, network.attention_map(faces).shape
    (torch.Size([2, 7]), torch.Size([2, 6, 6]))
    """

    def __init__(
        self,
        n_classes: int,
        size: str = "small",
        *,
        dropout: float = 0.3,
        ten_crop: bool = False,
    ) -> None:
        super().__init__()
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}")
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        channels, blocks, n_hidden, n_embedding = SIZES[size]
        self.size, self.ten_crop = size, ten_crop
        self.stem = _convolution(1, channels[0], 3, 1)
        self.conv1 = _stage(channels[0], channels[1], blocks)
        self.conv2 = _stage(channels[1], channels[2], blocks)
        self.conv3 = _stage(channels[2], channels[3], blocks)
        self.states = nn.LSTM(
            channels[3], n_hidden, batch_first=True, bidirectional=True
        )
        self.attention = Attention(2 * n_hidden)
        self.context = WeightedMean()
        self.embedding = nn.Sequential(
            nn.Linear(2 * n_hidden + channels[3], n_embedding),
            # means over regions differ little between faces
            nn.BatchNorm1d(n_embedding),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(n_embedding, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of faces of shape (n, height, width) or (n, 1, height, width)."""
        x = standardised(x)
        if not self.ten_crop or self.training:
            return self._answer(x)
        shares = [self._answer(view).float().softmax(dim=1) for view in ten_views(x)]
        return torch.stack(shares).mean(dim=0).log()

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Named layers of faces, one table each.

        Parameters
        ----------
        x : Tensor of shape (n, height, width) or (n, 1, height, width)

        Returns
        -------
        dict of str to Tensor of shape (n, n_columns)
            ``"conv1"``, ``"conv3"``: means of the maps after a stage; ``"conv2@3"``:
            means over 3 x 3 parts of the picture; ``"states"``: mean state of the LSTM;
            ``"context"``: the mean weighted by attention; ``"attention"``: weight of
            every region; ``"embedding"``; ``"logits"``.
        """
        logits, tables = read_layers(self, x, LAYERS)
        return tables | {"logits": logits.float()}

    def attention_map(self, x: Tensor) -> Tensor:
        """How much each region counts, of shape (n, rows, columns); sums to 1."""
        weights = read_layers(self, x, ["attention"])[1]["attention"]
        return weights.reshape(-1, *self.map_shape(*x.shape[-2:]))

    @staticmethod
    def map_shape(height: int, width: int) -> tuple[int, int]:
        """Rows and columns of regions in a picture of this size."""
        return math.ceil(height / _STRIDE), math.ceil(width / _STRIDE)

    def _answer(self, x: Tensor) -> Tensor:
        maps = self.conv3(self.conv2(self.conv1(self.stem(x))))
        states, _ = self.states(maps.flatten(2).transpose(1, 2))
        context = self.context(states, self.attention(states))
        embedding = self.embedding(torch.cat([context, maps.mean((2, 3))], dim=1))
        logits: Tensor = self.logits(self.dropout(embedding))
        return logits


class Attention(nn.Module):
    """Weights of the steps of a sequence, which sum to 1.

    Parameters
    ----------
    n_columns : int
        Width of a step.
    """

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(n_columns, n_columns // 2),
            nn.Tanh(),
            nn.Linear(n_columns // 2, 1),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Weights of shape (n, n_steps) for states of shape (n, n_steps, n_columns)."""
        scores: Tensor = self.score(states)
        return scores.squeeze(2).float().softmax(dim=1)


class WeightedMean(nn.Module):
    """Mean of the steps of a sequence; a module, so that it can be read by name."""

    def forward(self, states: Tensor, weights: Tensor) -> Tensor:
        """Mean of shape (n, n_columns)."""
        return (weights[:, :, None] * states).sum(dim=1)


class Block(nn.Module):
    """Two convolutions and a short cut around them.

    Parameters
    ----------
    n_in, n_out : int
        Maps.
    stride : int
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(n_in, n_out, 3, stride)
        self.second = _convolution(n_out, n_out, 3, 1, activated=False)
        same = n_in == n_out and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else _convolution(n_in, n_out, 1, stride, activated=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps of maps."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


def standardised(x: Tensor) -> Tensor:
    """Pictures of mean 0 and variance 1, of shape (n, 1, height, width).

    Parameters
    ----------
    x : Tensor of shape (n, height, width) or (n, 1, height, width)

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        For another shape.
    """
    faces = x[:, None] if x.ndim == 3 else x
    if faces.ndim != 4 or faces.shape[1] != 1:
        raise ValueError(
            "faces must be grey pictures of shape (n, height, width) or "
            f"(n, 1, height, width), got {tuple(x.shape)}"
        )
    faces = faces.float()
    variance, mean = torch.var_mean(faces, dim=(1, 2, 3), correction=0, keepdim=True)
    # a blank picture has no contrast: it becomes 0
    return (faces - mean) * (variance + 1e-6).rsqrt()


def _stage(n_in: int, n_out: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        Block(n_in, n_out, 2), *(Block(n_out, n_out, 1) for _ in range(blocks - 1))
    )


def _convolution(
    n_in: int, n_out: int, width: int, stride: int, *, activated: bool = True
) -> nn.Sequential:
    parts: list[nn.Module] = [
        nn.Conv2d(n_in, n_out, width, stride, width // 2, bias=False),
        nn.BatchNorm2d(n_out),
    ]
    return nn.Sequential(*parts, *([nn.ReLU(inplace=True)] if activated else []))
