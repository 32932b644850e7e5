"""Inner layers of any network, read by name while it answers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GRID = "@"  # between the name of a layer and the side of its grid


def check_layers(net: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Modules of a network by name.

    Parameters
    ----------
    net : Module
    layers : sequence of str
        As ``net.named_modules()`` names them, with ``"@3"`` behind them or without, see
        :func:`read_layers`.

    Returns
    -------
    dict of str to Module

    Raises
    ------
    ValueError
        For a name that there is not.

    Examples
    --------
    >>> list(check_layers(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()), ["0@3", "1"]))
    ['0@3', '1']
    """
    modules = {name: module for name, module in net.named_modules() if name}
    found = {}
    for layer in layers:
        name = _parts(layer)[0]
        if name not in modules:
            close = difflib.get_close_matches(name, modules, n=3, cutoff=0.4)
            raise ValueError(
                f"{type(net).__name__} has no layer {name!r}; it has "
                f"{', '.join(close or list(modules)[:8]) or 'none'}"
                f"{'' if len(modules) <= 8 else ' ... (see named_modules())'}"
            )
        found[layer] = modules[name]
    return found


def read_layers(
    net: nn.Module, x: Tensor, layers: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Output of a network and of layers inside it, in one pass.

    Every layer gives a table: maps are averaged over the picture, sequences over their
    steps, and a layer that is called several times over its calls.  ``"conv2@3"``
    averages the maps of ``"conv2"`` over each of 3 x 3 parts of the picture instead,
    map by map: the table also tells where.

    Parameters
    ----------
    net : Module
    x : Tensor of shape (n_rows, ...)
    layers : sequence of str

    Returns
    -------
    output : Tensor
    tables : dict of str to Tensor of shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        For a layer that there is not, is not called, or gives no rows of numbers; for
        more parts than its maps have rows or columns.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> output, tables = read_layers(net, torch.zeros(5, 1, 4, 4), ["0", "1"])
    >>> output.shape, {name: tuple(table.shape) for name, table in tables.items()}
    (torch.Size([5, 2]), {'0': (5, 4), '1': (5, 16)})
    >>> read_layers(net, torch.zeros(5, 1, 4, 4), ["0@2"])[1]["0@2"].shape
    torch.Size([5, 16])
    """
    calls: dict[str, list[Tensor]] = {name: [] for name in layers}
    handles = []
    try:
        for name, module in check_layers(net, layers).items():

            def keep(_: Any, __: Any, output: Any, name: str = name) -> None:
                calls[name].append(_table(name, output, len(x)))

            handles.append(module.register_forward_hook(keep))
        output = net(x)
    finally:
        for handle in handles:
            handle.remove()
    return output, {name: _mean(name, found) for name, found in calls.items()}


@contextmanager
def in_service(net: nn.Module) -> Iterator[None]:
    """Answer, not train; afterwards every module is as it was.

    Parameters
    ----------
    net : Module

    Examples
    --------
    >>> net = nn.Dropout()
    >>> with in_service(net):
    ...     net.training
    False
    >>> net.training
    True
    """
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _parts(layer: str) -> tuple[str, int | None]:
    """Name of the module, and the side of the grid, if there is one."""
    name, _, side = layer.rpartition(_GRID)
    return (name, int(side)) if name and side.isdecimal() else (layer, None)


def _table(name: str, output: Any, n_rows: int) -> Tensor:
    while isinstance(output, tuple | list) and output:  # an LSTM adds its last states
        output = output[0]
    if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != n_rows:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output)
        raise ValueError(
            f"layer {name!r} must give {n_rows} rows for {n_rows} inputs, got {shape}; "
            "name another layer"
        )
    side = _parts(name)[1]
    if side is not None:
        output = _grid(name, output, side)
    elif output.ndim == 1:
        output = output[:, None]
    elif output.ndim == 3:
        output = output.mean(dim=1)
    elif output.ndim > 3:
        output = output.flatten(2).mean(dim=2)
    table: Tensor = output.float()
    return table


def _grid(name: str, maps: Tensor, side: int) -> Tensor:
    if maps.ndim != 4 or not 1 <= side <= min(maps.shape[2:]):
        raise ValueError(
            f"layer {name!r}: {side} x {side} parts need maps of at least as many rows "
            f"and columns, got shape {tuple(maps.shape)}; name it without "
            f"'{_GRID}{side}', or fewer parts"
        )
    return F.adaptive_avg_pool2d(maps, side).flatten(1)


def _mean(name: str, calls: list[Tensor]) -> Tensor:
    if len({call.shape for call in calls}) != 1:
        what = "gave tables of several shapes" if calls else "was not called"
        raise ValueError(f"layer {name!r} {what}; name another layer")
    mean: Tensor = calls[0] if len(calls) == 1 else torch.stack(calls).mean(dim=0)
    return mean
