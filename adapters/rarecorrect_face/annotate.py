"""Pictures with a box and a label for each face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rarecorrect_face.face_finder import Box

# told apart by all kinds of colour vision, each with the letters that show on it
_KEPT, _CHANGED = ((0, 90, 181), (255, 255, 255)), ((255, 160, 40), (0, 0, 0))
_LEAST_SIDE = 480  # pixels of the longer side: smaller pictures are enlarged
_LEAST_FACE = 100  # pixels: a label in the smallest letters is about as wide
_LARGEST_SIDE = 3000  # beyond it no picture is enlarged
_LETTERS = 0.035  # largest height of letters, of the longer side
_SMALLEST = 11  # pixels of letters
_SHRINK = 0.85  # from one height of letters to the next that is tried
_LINE, _LINE_OF_FACE = 0.004, 0.03  # of the longer side, and of a face at most
_PADDING = 0.25  # of the height of letters


class Mark(NamedTuple):
    """A face to mark.

    Attributes
    ----------
    box : Box
    text : str
    changed : bool
        By a corrector: orange instead of blue.
    """

    box: Box
    text: str
    changed: bool


def annotated(image: Any, marks: Sequence[Mark]) -> Any:
    """A copy of a picture with its faces marked.

    Small pictures, and pictures of small faces, are enlarged.  Letters are as large as
    they can be without a label that lies over another one or over another face; where
    that cannot be, the fewest labels do.

    Parameters
    ----------
    image : Image
        Of Pillow, in RGB.
    marks : sequence of Mark

    Returns
    -------
    Image

    Raises
    ------
    ImportError
        If Pillow or matplotlib is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError(
            "pictures need Pillow: pip install 'rarecorrect[face]'"
        ) from error
    scale = _scale(image.size, [mark.box for mark in marks])
    size = tuple(max(1, round(side * scale)) for side in image.size)
    picture = image.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    boxes = [Box(*(round(value * scale) for value in mark.box)) for mark in marks]
    line = max(2, round(min(_LINE * max(size), _LINE_OF_FACE * _narrowest(boxes))))
    font, plates = _plates([mark.text for mark in marks], boxes, picture.size)
    for mark, box in zip(marks, boxes, strict=True):
        draw.rectangle(_drawn(box), outline=_colours(mark)[0], width=line)
    for mark, plate in zip(marks, plates, strict=True):  # no line crosses a label
        colour, letters = _colours(mark)
        draw.rectangle(_drawn(plate), fill=colour)
        middle = ((plate.left + plate.right) / 2, (plate.top + plate.bottom) / 2)
        draw.text(middle, mark.text, font=font, fill=letters, anchor="mm")
    return picture


def _scale(size: tuple[int, int], boxes: Sequence[Box]) -> float:
    longer = max(size)
    for_faces = min(_LEAST_FACE / _narrowest(boxes), _LARGEST_SIDE / longer)
    return max(1.0, _LEAST_SIDE / longer, for_faces)


def _narrowest(boxes: Sequence[Box]) -> int:
    """Pixels of the narrowest box."""
    sides = [min(box.right - box.left, box.bottom - box.top) for box in boxes]
    return max(1, min(sides, default=_LEAST_FACE))


def _plates(
    texts: Sequence[str], boxes: Sequence[Box], size: tuple[int, int]
) -> tuple[Any, list[Box]]:
    """One font for all labels, the largest that hides least, and where they lie."""
    height = max(_SMALLEST, round(_LETTERS * max(size)))
    best: tuple[int, Any, list[Box]] | None = None
    while best is None or (best[0] and height >= _SMALLEST):
        font = _font(height)
        n_hidden, plates = _laid(texts, font, boxes, size)
        if best is None or n_hidden < best[0]:
            best = (n_hidden, font, plates)
        height = int(_SHRINK * height)
    return best[1:]


def _laid(
    texts: Sequence[str], font: Any, boxes: Sequence[Box], size: tuple[int, int]
) -> tuple[int, list[Box]]:
    """How many labels hide something or reach out of the picture, and all plates."""
    n_hidden, plates = 0, list[Box]()
    for i, (text, box) in enumerate(zip(texts, boxes, strict=True)):
        others = [*boxes[:i], *boxes[i + 1 :], *plates]
        places = _places(text, font, box, size)
        clear = [place for place in places if not _meets(place, others)]
        n_hidden += not clear or clear[0].right > size[0]
        plates.append((clear or places)[0])
    return n_hidden, plates


def _places(text: str, font: Any, box: Box, size: tuple[int, int]) -> list[Box]:
    """Above a box and below it, inside the picture; if there is no room, within it."""
    padding = 2 * _PADDING * font.size
    wide, high = round(font.getlength(text) + padding), round(font.size + padding)
    left = max(0, min(box.left, size[0] - wide))
    tops = [top for top in (box.top - high, box.bottom) if 0 <= top <= size[1] - high]
    return [Box(left, top, left + wide, top + high) for top in tops or [box.top]]


def _meets(place: Box, others: Sequence[Box]) -> bool:
    return any(
        place.left < other.right
        and other.left < place.right
        and place.top < other.bottom
        and other.top < place.bottom
        for other in others
    )


def _colours(mark: Mark) -> tuple[Any, Any]:
    return _CHANGED if mark.changed else _KEPT


def _drawn(box: Box) -> tuple[int, int, int, int]:
    """A box as Pillow has it: right and bottom are the last ones inside."""
    last = (max(box.left, box.right - 1), max(box.top, box.bottom - 1))
    return (box.left, box.top, *last)


def _font(size: int) -> Any:
    from PIL import ImageFont

    try:
        # of matplotlib: the default of Pillow has Latin letters only
        from matplotlib import get_data_path
    except ImportError as error:
        raise ImportError(
            "annotated pictures need matplotlib: pip install 'rarecorrect[face]'"
        ) from error
    where = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
    return ImageFont.truetype(str(where), size)
