"""What a wrong answer costs, for targets that may be shares of several classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rarecorrect_face.faces import Faces
from rarecorrect_face.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]


def targets_of(faces: Faces, recipe: Recipe) -> Tensor:
    """What the network should answer: shares of the classes for every face.

    Parameters
    ----------
    faces : Faces
    recipe : Recipe

    Returns
    -------
    Tensor of shape (n_faces, n_classes)
        Label and votes in the shares that ``soft_labels`` says, then smoothed.

    Raises
    ------
    ValueError
        If votes are asked for and there are none.
    """
    n_classes = len(faces.class_names)
    shares = np.eye(n_classes)[faces.labels]
    if recipe.soft_labels:
        if faces.soft is None:
            raise ValueError(
                f"soft_labels={recipe.soft_labels} needs votes, and these faces have "
                "none; set soft_labels=0"
            )
        shares = (1 - recipe.soft_labels) * shares + recipe.soft_labels * faces.soft
    smooth = recipe.label_smoothing
    shares = (1 - smooth) * shares + smooth / n_classes
    return torch.from_numpy(shares.astype(np.float32))


def loss_of(recipe: Recipe, counts: Tensor) -> Loss:
    """The loss that a recipe names.

    Parameters
    ----------
    recipe : Recipe
    counts : Tensor of shape (n_classes,)
        Training faces of every class.

    Returns
    -------
    callable
        From logits and targets, both of shape (n_faces, n_classes), to the mean loss.

    Examples
    --------
    >>> loss = loss_of(Recipe(loss="focal", gamma=2.0), torch.tensor([9, 1]))
    >>> round(float(loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))), 4)
    0.1733
    """
    if recipe.loss == "focal":
        return lambda logits, targets: focal(logits, targets, recipe.gamma)
    if recipe.loss == "class-balanced":
        weights = class_weights(counts, recipe.beta)
        return lambda logits, targets: cross_entropy(logits, targets * weights)
    if recipe.loss == "logit-adjusted":
        shift = recipe.tau * (counts / counts.sum()).log()
        return lambda logits, targets: cross_entropy(logits + shift, targets)
    return cross_entropy


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of ``-sum(target * log p)``.

    Parameters
    ----------
    logits, targets : Tensor of shape (n_faces, n_classes)

    Returns
    -------
    Tensor
    """
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()


def focal(logits: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Mean of ``-sum(target * (1 - p)^gamma * log p)``.

    Parameters
    ----------
    logits, targets : Tensor of shape (n_faces, n_classes)
    gamma : float

    Returns
    -------
    Tensor

    References
    ----------
    T.-Y. Lin et al., "Focal loss for dense object detection", arXiv:1708.02002.
    """
    p = logits.softmax(dim=1)
    # the slope of 0^gamma is infinite for gamma below 1
    return cross_entropy(logits, targets * (1 - p).clamp(min=1e-7) ** gamma)


def class_weights(counts: Tensor, beta: float) -> Tensor:
    """Weights inverse to the effective number of faces, with mean 1.

    Parameters
    ----------
    counts : Tensor of shape (n_classes,)
    beta : float
        In [0, 1); 0: all alike.

    Returns
    -------
    Tensor of shape (n_classes,)

    References
    ----------
    Y. Cui et al., "Class-balanced loss based on effective number of samples",
    arXiv:1901.05555.

    Examples
    --------
    >>> class_weights(torch.tensor([1.0, 3.0]), 0.5)  # 1 and 1.75 effective faces
    tensor([1.2727, 0.7273])
    """
    effective = (1 - torch.pow(beta, counts.double())) / (1 - beta)
    weights = 1 / effective
    return (weights / weights.mean()).float()
