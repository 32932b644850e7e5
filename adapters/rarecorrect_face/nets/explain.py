"""Where on a face a network finds what speaks for a class.

Networks that answer by ten views are asked about the plain one: maps of views that are
moved and mirrored do not lie over each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from captum.attr import (
    LayerGradCam,
    LayerGradientXActivation,
    LayerIntegratedGradients,
)
from torch import Tensor, nn

from rarecorrect_face.nets.layers import in_service
from rarecorrect_face.nets.network import AttentionLSTM
from rarecorrect_face.nets.trained import TrainedNetwork

FloatArray = npt.NDArray[np.float32]
Labels = str | Sequence[str] | None

STAGES = ("conv1", "conv2", "conv3")
_BATCH = 64


def grad_cam(
    trained: TrainedNetwork,
    images: npt.ArrayLike,
    label: Labels = None,
    *,
    layer: str = "conv3",
) -> FloatArray:
    """Regions that speak for a class, by Grad-CAM.

    The maps of a stage are added up, each weighted by the mean gradient of the logit
    of the class; what speaks against the class is set to 0.  The mean forgets where a
    map is read: regions that attention leaves out can light up.  :func:`hires_cam`
    does not forget.

    Parameters
    ----------
    trained : TrainedNetwork
    images : array-like of shape (n, height, width)
    label : str or sequence of str, optional
        A class, or one for each face.  Default: the class that the network reads.
    layer : {"conv1", "conv2", "conv3"}, default="conv3"

    Returns
    -------
    ndarray of float32 of shape (n, height, width)
        From 0 to 1, the largest of each face; 0 where nothing speaks for the class.

    Raises
    ------
    ValueError
        For an unknown class or stage, or pictures of another shape.

    References
    ----------
    Selvaraju et al., Grad-CAM: visual explanations from deep networks via
    gradient-based localization, 2017.  arXiv:1610.02391.

    Examples
    --------
    >>> from rarecorrect_face.recipe import Recipe
    >>> trained = TrainedNetwork(
    ...     AttentionLSTM(2), ("happy", "sad"), Recipe(), (), np.array([])
    ... )
    >>> faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48))
    >>> grad_cam(trained, faces, "sad").shape
    (3, 48, 48)
    """
    method = LayerGradCam(trained.network, _stage(trained, layer))
    return _class_maps(trained, images, label, method.attribute)


def hires_cam(
    trained: TrainedNetwork,
    images: npt.ArrayLike,
    label: Labels = None,
    *,
    layer: str = "conv3",
) -> FloatArray:
    """Regions that speak for a class, by HiResCAM.

    As :func:`grad_cam`, but every region of a map is weighted by its own gradient.

    Parameters
    ----------
    trained : TrainedNetwork
    images : array-like of shape (n, height, width)
    label : str or sequence of str, optional
        A class, or one for each face.  Default: the class that the network reads.
    layer : {"conv1", "conv2", "conv3"}, default="conv3"

    Returns
    -------
    ndarray of float32 of shape (n, height, width)
        From 0 to 1, the largest of each face; 0 where nothing speaks for the class.

    Raises
    ------
    ValueError
        For an unknown class or stage, or pictures of another shape.

    References
    ----------
    Draelos, Carin, Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks, 2020.  arXiv:2011.08891.

    Examples
    --------
    >>> from rarecorrect_face.recipe import Recipe
    >>> trained = TrainedNetwork(
    ...     AttentionLSTM(2), ("happy", "sad"), Recipe(), (), np.array([])
    ... )
    >>> faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48))
    >>> hires_cam(trained, faces, "sad").shape
    (3, 48, 48)
    """
    method = LayerGradientXActivation(trained.network, _stage(trained, layer))
    return _class_maps(trained, images, label, method.attribute)


def integrated_gradients(
    trained: TrainedNetwork,
    images: npt.ArrayLike,
    label: Labels = None,
    *,
    n_steps: int = 64,
) -> FloatArray:
    """What every pixel adds to the logit of a class, by integrated gradients.

    The path leads from a blank picture, in which nothing differs from the mean, to the
    face as the network sees it: with its brightness and contrast taken out.  The
    values of a face sum to the logit of the class minus that of a blank picture, the
    more exactly the more steps.

    Parameters
    ----------
    trained : TrainedNetwork
    images : array-like of shape (n, height, width)
    label : str or sequence of str, optional
        A class, or one for each face.  Default: the class that the network reads.
    n_steps : int, default=64

    Returns
    -------
    ndarray of float32 of shape (n, height, width)
        In units of the logit; below 0: against the class.

    Raises
    ------
    ValueError
        For an unknown class, fewer than one step, or pictures of another shape.

    References
    ----------
    Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, 2017.
    arXiv:1703.01365.

    Examples
    --------
    >>> from rarecorrect_face.recipe import Recipe
    >>> trained = TrainedNetwork(
    ...     AttentionLSTM(2), ("happy", "sad"), Recipe(), (), np.array([])
    ... )
    >>> faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48))
    >>> integrated_gradients(trained, faces, "sad", n_steps=8).shape
    (3, 48, 48)
    """
    if n_steps < 1:
        raise ValueError(f"n_steps must be 1 or more, got {n_steps}")
    # what enters the stem has its contrast taken out: before, no path could change it
    method = LayerIntegratedGradients(trained.network, trained.network.stem)

    def explain(faces: Tensor, codes: Tensor) -> Tensor:
        maps: Tensor = method.attribute(
            faces,
            torch.zeros_like(faces),
            target=codes,
            n_steps=n_steps,
            internal_batch_size=max(_BATCH, len(faces)),
            attribute_to_layer_input=True,
        )
        return maps.squeeze(1)

    return _in_batches(trained, images, label, explain)


def attention(
    trained: TrainedNetwork, images: npt.ArrayLike, label: Labels = None
) -> FloatArray:
    """How much the regions of a face count, whatever the class.

    Parameters
    ----------
    trained : TrainedNetwork
    images : array-like of shape (n, height, width)
    label : str or sequence of str, optional
        Checked, and else not looked at: attention is the same for all classes.

    Returns
    -------
    ndarray of float32 of shape (n, height, width)
        From 0 to 1, the largest of each face.

    Raises
    ------
    ValueError
        For an unknown class, or pictures of another shape.

    Examples
    --------
    >>> from rarecorrect_face.recipe import Recipe
    >>> trained = TrainedNetwork(
    ...     AttentionLSTM(2), ("happy", "sad"), Recipe(), (), np.array([])
    ... )
    >>> faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48))
    >>> attention(trained, faces).max(axis=(1, 2)).tolist()
    [1.0, 1.0, 1.0]
    """

    def explain(faces: Tensor, codes: Tensor) -> Tensor:
        with torch.no_grad():
            return _enlarged(trained.network.attention_map(faces)[:, None], faces)

    any_class = trained.classes[0] if label is None else label
    return _of_largest(_in_batches(trained, images, any_class, explain))


Explain = Callable[..., FloatArray]

METHODS: dict[str, Explain] = {
    "grad-cam": grad_cam,
    "hires-cam": hires_cam,
    "integrated-gradients": integrated_gradients,
    "attention": attention,
}


def _stage(trained: TrainedNetwork, layer: str) -> nn.Module:
    if layer not in STAGES:
        raise ValueError(f"layer must be one of {', '.join(STAGES)}, got {layer!r}")
    return trained.network.get_submodule(layer)


def _class_maps(
    trained: TrainedNetwork,
    images: npt.ArrayLike,
    label: Labels,
    attribute: Callable[..., Tensor],
) -> FloatArray:
    def explain(faces: Tensor, codes: Tensor) -> Tensor:
        maps = attribute(faces, target=codes).sum(dim=1, keepdim=True)
        return _enlarged(maps.relu(), faces)

    return _of_largest(_in_batches(trained, images, label, explain))


def _in_batches(
    trained: TrainedNetwork,
    images: npt.ArrayLike,
    label: Labels,
    explain: Callable[[Tensor, Tensor], Tensor],
) -> FloatArray:
    pictures = np.asarray(images, dtype=np.float32)
    if pictures.ndim != 3:
        raise ValueError(
            f"images must have shape (n, height, width), got {pictures.shape}"
        )
    if len(pictures) == 0:
        return pictures
    codes = _codes(trained, pictures, label)
    device = next(trained.network.parameters()).device
    found = np.empty_like(pictures)
    with _one_view(trained.network):
        for start in range(0, len(pictures), _BATCH):
            part = slice(start, start + _BATCH)
            faces = torch.tensor(pictures[part], device=device)
            maps = explain(faces, torch.tensor(codes[part], device=device))
            found[part] = maps.detach().float().cpu().numpy()
    return found


def _codes(
    trained: TrainedNetwork, pictures: FloatArray, label: Labels
) -> npt.NDArray[np.int64]:
    """Columns of the logits to explain."""
    if label is None:
        return np.asarray(trained.predict_proba(pictures).argmax(axis=1))
    names = [label] * len(pictures) if isinstance(label, str) else list(label)
    unknown = [name for name in names if name not in trained.classes]
    if unknown:
        raise ValueError(
            f"the network has no class {unknown[0]!r}; it has "
            f"{', '.join(trained.classes)}"
        )
    if len(names) != len(pictures):
        raise ValueError(f"{len(names)} classes for {len(pictures)} faces")
    return np.array([trained.classes.index(name) for name in names], dtype=np.int64)


@contextmanager
def _one_view(network: AttentionLSTM) -> Iterator[None]:
    """Answer to the plain picture, so that gradients reach it."""
    ten_crop = network.ten_crop
    network.ten_crop = False
    try:
        # cuDNN computes no gradients of an LSTM that answers
        with (
            in_service(network),
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=False),
        ):
            yield
    finally:
        network.ten_crop = ten_crop


def _enlarged(maps: Tensor, faces: Tensor) -> Tensor:
    """Maps of shape (n, 1, rows, columns), smoothly, at the size of the faces."""
    shape = faces.shape[-2:]
    return F.interpolate(maps, shape, mode="bilinear").squeeze(1)


def _of_largest(maps: FloatArray) -> FloatArray:
    largest = maps.max(axis=(1, 2), keepdims=True, initial=0)
    # nothing divided by nothing is nothing
    return np.asarray(maps / np.where(largest > 0, largest, 1), dtype=np.float32)
