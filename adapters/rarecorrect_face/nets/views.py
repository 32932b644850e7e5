"""Ten views of a face, whose answers are averaged."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

MOVE = 2  # pixels


def ten_views(faces: Tensor) -> Iterator[Tensor]:
    """In place and moved to four corners, each also mirrored.

    Parameters
    ----------
    faces : Tensor of shape (n, 1, height, width)

    Yields
    ------
    Tensor of shape (n, 1, height, width)

    Examples
    --------
    >>> import torch
    >>> face = torch.zeros(1, 1, 8, 8)
    >>> face[..., 4, 4] = 1
    >>> sorted({tuple(view[0, 0].nonzero()[0].tolist()) for view in ten_views(face)})
    [(2, 1), (2, 2), (2, 5), (2, 6), (4, 3), (4, 4), (6, 1), (6, 2), (6, 5), (6, 6)]
    """
    height, width = faces.shape[-2:]
    wide = F.pad(faces, (MOVE,) * 4, mode="replicate")
    for top, left in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2)):
        rows = slice(top * MOVE, top * MOVE + height)
        columns = slice(left * MOVE, left * MOVE + width)
        view = wide[..., rows, columns]
        yield view
        yield view.flip(-1)
