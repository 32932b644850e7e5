"""The embedding of faces in two dimensions, by PCA and by t-SNE."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

KEPT = "right, kept"
OTHER = "errors of other classes"
MISSED = "errors of the class, left as they are"
DAMAGED = "right, damaged"
REPAIRED = "errors of the class, repaired"

# in the order in which they are drawn; the colours are told apart by all kinds of
# colour vision, and the markers without any
_STYLES: dict[str, dict[str, Any]] = {
    KEPT: {"color": "#c8c8c8", "marker": "o", "s": 6, "linewidths": 0},
    OTHER: {"color": "#808080", "marker": ".", "s": 12, "linewidths": 0},
    MISSED: {"color": "#0072b2", "marker": "x", "s": 18, "linewidths": 0.9},
    DAMAGED: {"color": "#000000", "marker": "^", "s": 26, "linewidths": 0},
    REPAIRED: {
        "color": "#e69f00",
        "marker": "o",
        "s": 24,
        "edgecolors": "black",
        "linewidths": 0.5,
    },
}
KINDS = tuple(_STYLES)
_MARKED = (MISSED, DAMAGED, REPAIRED)
_PERPLEXITY = 30.0


class Embedded(NamedTuple):
    """Faces in two dimensions.

    Attributes
    ----------
    kinds : ndarray of str of shape (n_faces,)
        What became of each, one of ``KINDS``.
    pca, tsne : ndarray of float32 of shape (n_faces, 2)
    explained : ndarray of shape (2,)
        Shares of the variance along the two axes of the PCA.
    """

    kinds: npt.NDArray[np.str_]
    pca: Array
    tsne: Array
    explained: Array


def embed(
    embedding: npt.ArrayLike,
    kinds: npt.ArrayLike,
    *,
    max_faces: int = 2000,
    random_state: int = 0,
) -> Embedded:
    """Place faces in two dimensions.

    Parameters
    ----------
    embedding : array-like of shape (n_faces, n_columns)
    kinds : array-like of str of shape (n_faces,)
        What became of each face, one of ``KINDS``.
    max_faces : int, default=2000
        Of more, a part is drawn at random: errors of the class and damaged faces
        first.
    random_state : int, default=0

    Returns
    -------
    Embedded

    Raises
    ------
    ValueError
        For fewer than five faces or two columns, an embedding that is the same for all
        faces or not finite, or an unknown kind.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(60, 8))
    >>> found = embed(points, [KEPT] * 50 + [REPAIRED] * 10, max_faces=20)
    >>> found.tsne.shape, int((found.kinds == REPAIRED).sum())
    ((20, 2), 10)
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    points, names = np.asarray(embedding, dtype=np.float32), np.asarray(kinds, str)
    _check(points, names, max_faces)
    rng = np.random.default_rng(random_state)
    order = rng.permutation(len(points))
    marked = np.isin(names[order], _MARKED)
    shown = np.sort(np.concatenate([order[marked], order[~marked]])[:max_faces])
    points = points[shown]
    pca = PCA(2, random_state=random_state)
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=random_state)
    return Embedded(
        names[shown],
        pca.fit_transform(points),
        tsne.fit_transform(points),
        pca.explained_variance_ratio_,
    )


def plot_embedding(found: Embedded, path: str | Path, *, title: str) -> None:
    """Draw both pictures of an embedding, one beside the other.

    Parameters
    ----------
    found : Embedded
    path : str or Path
        Of the picture to write.
    title : str

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for panel, points in ((left, found.pca), (right, found.tsne)):
        for kind, style in _STYLES.items():
            inside = found.kinds == kind
            name = f"{kind} ({inside.sum():,})"
            panel.scatter(*points[inside].T, label=name, rasterized=True, **style)
        panel.set(xticks=[], yticks=[])
    first, second = 100 * found.explained
    left.set(
        title="PCA",
        xlabel=f"{first:.0f} % of the variance",
        ylabel=f"{second:.0f} % of the variance",
    )
    right.set(title="t-SNE (distances between far groups mean nothing)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, markerscale=1.4)
    figure.suptitle(title, parse_math=False)
    figure.savefig(path, dpi=120)


def _check(points: Array, kinds: Array, max_faces: int) -> None:
    if max_faces < 5:
        raise ValueError(f"max_faces must be 5 or more, got {max_faces}")
    if points.ndim != 2 or len(points) < 5 or points.shape[1] < 2:
        raise ValueError(
            "embedding must have five rows and two columns or more, got shape "
            f"{points.shape}"
        )
    if not np.isfinite(points).all() or not np.ptp(points, axis=0).any():
        raise ValueError("embedding must be finite, and not the same for all faces")
    if kinds.shape != (len(points),):
        raise ValueError(f"kinds must have shape ({len(points)},), got {kinds.shape}")
    unknown = sorted(set(kinds.tolist()) - set(KINDS))
    if unknown:
        raise ValueError(f"kinds must be among {'; '.join(KINDS)}; got {unknown[0]!r}")
