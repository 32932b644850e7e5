"""Faces in pictures, found by a cascade that comes with OpenCV."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rarecorrect_face.loaders.pictures import PictureError, pictures_in

# of the frontal cascades, the one that takes the fewest other things for faces
_CASCADE = "haarcascade_frontalface_alt2.xml"
_STEP, _NEIGHBOURS = 1.1, 3
_LEAST = 32  # pixels of a side: nothing much is to be read in smaller faces
_LARGEST = 1600  # pixels of the longer side of what is searched: a limit to the time
_MARGIN = 0.015  # of the side of a box: the faces of FER2013 reach a little further
_SIXTEEN_BITS = 257.0


class Box(NamedTuple):
    """Where a face is, in pixels of the upright picture.

    Attributes
    ----------
    left, top, right, bottom : int
        Right and bottom are the first ones outside.
    """

    left: int
    top: int
    right: int
    bottom: int


def open_picture(path: Path) -> Any:
    """A picture in colour, upright as its file says.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Image
        Of Pillow, in RGB.

    Raises
    ------
    PictureError
        If the file is missing, broken or no picture.
    ImportError
        If Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            "picture files need Pillow: pip install 'rarecorrect[face]'"
        ) from error
    # a broken file makes the decoders raise errors of many kinds
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # Pillow would clip 16 bits to 8
                values = np.asarray(image, dtype=np.float64) / _SIXTEEN_BITS
                eight_bits = values.round().clip(0, 255).astype(np.uint8)
                image = Image.fromarray(eight_bits)
            return image.convert("RGBA" if image.mode == "P" else "RGB").convert("RGB")
    except Exception as error:
        raise PictureError(f"{type(error).__name__}: {error}") from error


def find_faces(image: Any) -> list[Box]:
    """Boxes of the faces in a picture, from left to right.

    Faces that look into the camera, of 32 pixels or more; in pictures of more than
    1,600 pixels, of a fiftieth of the longer side or more.

    Parameters
    ----------
    image : Image
        Of Pillow.

    Returns
    -------
    list of Box

    Raises
    ------
    ImportError
        If OpenCV is not installed.
    """
    cascade = _cascade()
    scale = min(1.0, _LARGEST / max(image.size))
    # not `reduce` or a draft: the box must come back to the pixel
    small = image.convert("L").resize(
        tuple(max(1, round(side * scale)) for side in image.size)
    )
    found = cascade.detectMultiScale(
        np.asarray(small),
        scaleFactor=_STEP,
        minNeighbors=_NEIGHBOURS,
        minSize=(_LEAST, _LEAST),
    )
    boxes = [_with_margin(np.asarray(box) / scale, image.size) for box in found]
    return sorted(boxes)


def pictures_below(where: Path, aside: Path | None = None) -> list[Path]:
    """A picture file itself, or all those in a folder and its folders.

    Parameters
    ----------
    where : Path
    aside : Path, optional
        Folder whose pictures do not count.

    Returns
    -------
    list of Path
    """
    if not where.is_dir():
        return [where]
    folders = [where, *sorted(path for path in where.rglob("*") if path.is_dir())]
    if aside is not None:
        out = aside.resolve()
        folders = [path for path in folders if not path.resolve().is_relative_to(out)]
    return [path for folder in folders for path in pictures_in(folder)]


@cache
def _cascade() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"finding faces needs OpenCV ({error}): pip install 'rarecorrect[face]'; "
            "pictures that are one face each need --whole"
        ) from error
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _CASCADE))


def _with_margin(box: npt.NDArray[Any], size: tuple[int, int]) -> Box:
    """A box, a little wider, inside the picture."""
    left, top, width, height = box
    more_x, more_y = _MARGIN * width, _MARGIN * height
    return Box(
        max(0, round(left - more_x)),
        max(0, round(top - more_y)),
        min(size[0], round(left + width + more_x)),
        min(size[1], round(top + height + more_y)),
    )
