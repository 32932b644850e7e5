"""Other pictures of the same faces: moved, turned, mirrored, covered, mixed.

Plain tensor operations: one resampling does all that moves a pixel, at half of the time
of kornia's separate ones, and a generator of one's own makes an epoch repeatable.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rarecorrect_face.recipe import Recipe

_LOW, _HIGH = 0.1, 0.4  # sides of an erased rectangle, as shares of the picture's


def augmented(faces: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Faces changed at random, each in its own way.

    Parameters
    ----------
    faces : Tensor of shape (n, 1, height, width)
    recipe : Recipe
    rng : Generator

    Returns
    -------
    Tensor of shape (n, 1, height, width)
    """
    if recipe.flip or recipe.shift or recipe.rotation or recipe.zoom:
        faces = moved(faces, recipe, rng)
    return erased(faces, recipe.erasing, rng) if recipe.erasing else faces


def moved(faces: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Mirror, turn, zoom and shift in one resampling; the rim is continued.

    Parameters
    ----------
    faces : Tensor of shape (n, 1, height, width)
    recipe : Recipe
    rng : Generator

    Returns
    -------
    Tensor of shape (n, 1, height, width)
    """
    n, (height, width) = len(faces), faces.shape[-2:]
    angle = np.deg2rad(recipe.rotation) * rng.uniform(-1, 1, n)
    scale = 1 + recipe.zoom * rng.uniform(-1, 1, n)
    mirror = np.where(recipe.flip & (rng.random(n) < 0.5), -1.0, 1.0)
    # grid_sample counts from -1 to 1: the picture is 2 wide
    across, down = 2 * recipe.shift * rng.uniform(-1, 1, (2, n))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    maps = np.array(
        [
            [mirror * cosine, -sine, across / width],
            [mirror * sine, cosine, down / height],
        ],
        dtype=np.float32,
    ).transpose(2, 0, 1)
    grid = F.affine_grid(
        torch.from_numpy(maps).to(faces.device), list(faces.shape), align_corners=False
    )
    return F.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def erased(faces: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Cover a rectangle of some faces with the mean of the picture.

    Parameters
    ----------
    faces : Tensor of shape (n, 1, height, width)
    share : float
        Of the faces.
    rng : Generator

    Returns
    -------
    Tensor of shape (n, 1, height, width)
    """
    n = len(faces)
    inside = []
    for side in faces.shape[-2:]:
        length = side * rng.uniform(_LOW, _HIGH, n)
        start = (side - length) * rng.random(n)
        at = np.arange(side) + 0.5
        inside.append((at >= start[:, None]) & (at < (start + length)[:, None]))
    chosen = (rng.random(n) < share)[:, None, None]
    covered = chosen & inside[0][:, :, None] & inside[1][:, None, :]
    mask = torch.from_numpy(covered[:, None]).to(faces.device)
    return torch.where(mask, faces.mean(dim=(1, 2, 3), keepdim=True), faces)


def mixed(
    faces: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix every face and its target with another one of the batch.

    Parameters
    ----------
    faces : Tensor of shape (n, 1, height, width)
    targets : Tensor of shape (n, n_classes)
    alpha : float
        Shares are drawn from Beta(alpha, alpha).
    rng : Generator

    Returns
    -------
    faces, targets : Tensor

    References
    ----------
    H. Zhang et al., "mixup: beyond empirical risk minimization", arXiv:1710.09412.
    """
    n = len(faces)
    drawn = rng.beta(alpha, alpha, n).astype(np.float32)
    share = torch.from_numpy(drawn).to(faces.device)
    other = torch.from_numpy(rng.permutation(n)).to(faces.device)
    return (
        torch.lerp(faces[other], faces, share[:, None, None, None]),
        torch.lerp(targets[other], targets, share[:, None]),
    )
