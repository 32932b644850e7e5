"""Picture files as grey faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_face.faces import SIDE

PICTURES = (".png", ".jpg", ".jpeg")
_SIXTEEN_BITS = 257.0


class PictureError(ValueError):
    """A picture that cannot be read."""


def read_picture(
    path: Path, box: tuple[int, int, int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Grey picture of 48 x 48 from a file.

    Parameters
    ----------
    path : Path
    box : tuple of int, optional
        Left, top, right, bottom of the face.  Default: the whole picture.

    Returns
    -------
    ndarray of uint8 of shape (48, 48)

    Raises
    ------
    PictureError
        If the file is missing, empty, broken or no picture, or the box is empty.
    ImportError
        If Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            "picture files need Pillow: pip install 'rarecorrect[face]'"
        ) from error
    # A broken file makes the decoders raise errors of many kinds.
    try:
        with Image.open(path) as opened:
            grey = _grey(ImageOps.exif_transpose(opened))
            part = grey if box is None else grey.crop(box)
            # Pillow averages over all pixels that one pixel of the result covers
            small = part.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    except Exception as error:
        raise PictureError(f"{type(error).__name__}: {error}") from error
    return np.asarray(small, dtype=np.uint8)


def _grey(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow would clip 16 bits to 8
        values = np.asarray(image, dtype=np.float64) / _SIXTEEN_BITS
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("L")


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder, sorted by name; hidden files are none."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".")
    )
