"""Maps laid over faces, and sheets of many faces."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

Array = npt.NDArray[Any]
Colours = npt.NDArray[np.uint8]

# told apart by all kinds of colour vision
_FOR, _AGAINST = np.array([255, 120, 0]), np.array([0, 114, 220])
_BLUR = 1.5  # pixels: a single one says little
_GLOW = 0.35  # of the colour where the face is black
_COLUMNS = 4
_SIDE, _GAP, _MARGIN = 1.3, 0.05, 0.15  # inches
_LINE, _HEADING, _TITLE = 0.15, 0.45, 0.6
_LETTERS = 46  # of a line


class Tile(NamedTuple):
    """A face on a sheet.

    Attributes
    ----------
    face : ndarray of shape (height, width)
    values : ndarray of shape (rows, columns)
        What is laid over it, as in :func:`overlay`.
    label : str
    """

    face: Array
    values: Array
    label: str


def overlay(face: npt.ArrayLike, values: npt.ArrayLike) -> Colours:
    """Stain a grey face orange where a map is above 0, and blue where it is below.

    The colour is full where the map is farthest from 0, and the face stays to be seen
    beneath it.

    Parameters
    ----------
    face : array-like of shape (height, width)
        Grey, from 0 to 255.
    values : array-like of shape (rows, columns)
        A map; a smaller one is enlarged.

    Returns
    -------
    ndarray of uint8 of shape (height, width, 3)

    Raises
    ------
    ValueError
        If the face or the map is not of two dimensions, or the map is not finite.

    Examples
    --------
    >>> grey = np.full((48, 48), 100)
    >>> left = np.eye(1, 6).repeat(6, axis=0)
    >>> picture = overlay(grey, left)
    >>> picture[24, 0].tolist(), picture[24, 40].tolist()
    ([154, 73, 0], [100, 100, 100])
    """
    grey, found = np.asarray(face, dtype=float), np.asarray(values, dtype=float)
    for name, array in {"face": grey, "values": found}.items():
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"{name} must have two dimensions, got {array.shape}")
    if not np.isfinite(found).all():
        raise ValueError("values must be finite, they hold NaN or infinity")
    if found.shape != grey.shape:
        factors = np.divide(grey.shape, found.shape)
        found = zoom(found, factors, order=1, mode="nearest", grid_mode=True)
    found = gaussian_filter(found, _BLUR)
    strength = (np.abs(found) / (np.abs(found).max() or 1.0))[:, :, None]
    colour = np.where(found[:, :, None] > 0, _FOR, _AGAINST)
    stain = colour * (_GLOW + (1 - _GLOW) * grey[:, :, None] / 255)
    mixed = (1 - strength) * grey[:, :, None] + strength * stain
    return np.asarray(mixed.round().clip(0, 255), dtype=np.uint8)


def contact_sheet(
    blocks: Sequence[tuple[str, Sequence[Tile]]],
    path: str | Path,
    *,
    title: str,
    note: str = "",
) -> None:
    """Draw faces side by side with their overlays, in blocks with headings.

    Parameters
    ----------
    blocks : sequence of (str, sequence of Tile)
        Heading, empty for none, and faces of every block.
    path : str or Path
        Of the picture to write.
    title : str
    note : str, default=""
        A line below it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    n_rows = [-(-len(tiles) // _COLUMNS) for _, tiles in blocks]
    lines = [len(_lines(tile)) for _, tiles in blocks for tile in tiles]
    above = _MARGIN + _LINE * max(lines, default=0)
    tile_width, tile_height = 2 * _SIDE + _GAP + _MARGIN, _SIDE + above
    width = _COLUMNS * tile_width + _MARGIN
    n_headings = sum(heading != "" for heading, _ in blocks)
    height = _TITLE + n_headings * _HEADING + sum(n_rows) * tile_height + _MARGIN
    figure = Figure(figsize=(width, height))

    def write(text: str, top: float, **style: Any) -> None:
        at = (_MARGIN / width, 1 - top / height)
        figure.text(*at, text, va="top", parse_math=False, **style)

    write(title, _MARGIN, fontsize=11, fontweight="bold")
    write(note, _MARGIN + 0.25, fontsize=9)
    top = _TITLE
    for (heading, tiles), rows in zip(blocks, n_rows, strict=True):
        if heading:
            write(heading, top + 0.25, fontsize=10, fontweight="bold")
            top += _HEADING
        for i, tile in enumerate(tiles):
            left = _MARGIN + (i % _COLUMNS) * tile_width
            below = top + (i // _COLUMNS) * tile_height + above + _SIDE
            size = ((2 * _SIDE + _GAP) / width, _SIDE / height)
            _draw(tile, figure.add_axes((left / width, 1 - below / height, *size)))
        top += rows * tile_height
    figure.savefig(path, dpi=120)


def _draw(tile: Tile, panel: Any) -> None:
    """The face, and beside it the same face with the map."""
    smooth = {"interpolation": "bicubic", "aspect": "auto"}
    second = _SIDE + _GAP
    panel.imshow(
        tile.face, "gray", vmin=0, vmax=255, extent=(0, _SIDE, 0, _SIDE), **smooth
    )
    panel.imshow(
        overlay(tile.face, tile.values),
        extent=(second, second + _SIDE, 0, _SIDE),
        **smooth,
    )
    panel.set(xlim=(0, second + _SIDE), ylim=(0, _SIDE))
    panel.axis("off")
    label = "\n".join(_lines(tile))
    panel.set_title(label, fontsize=8, loc="left", pad=3, parse_math=False)


def _lines(tile: Tile) -> list[str]:
    return textwrap.wrap(tile.label, _LETTERS)
