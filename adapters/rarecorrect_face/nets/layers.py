"""Inner layers of any network, read by name while it answers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def check_layers(net: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Modules of a network by name.

    Parameters
    ----------
    net : Module
    layers : sequence of str
        As ``net.named_modules()`` names them.

    Returns
    -------
    dict of str to Module

    Raises
    ------
    ValueError
        For a name that there is not.

    Examples
    --------
    >>> list(check_layers(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), ["1"]))
    ['1']
    """
    modules = {name: module for name, module in net.named_modules() if name}
    for name in layers:
        if name not in modules:
            close = difflib.get_close_matches(name, modules, n=3, cutoff=0.4)
            raise ValueError(
                f"{type(net).__name__} has no layer {name!r}; it has "
                f"{', '.join(close or list(modules)[:8]) or 'none'}"
                f"{'' if len(modules) <= 8 else ' ... (see named_modules())'}"
            )
    return {name: modules[name] for name in layers}


def read_layers(
    net: nn.Module, x: Tensor, layers: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Output of a network and of layers inside it, in one pass.

    Every layer gives a table: maps are averaged over the picture, sequences over their
    steps, and a layer that is called several times over its calls.

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
        For a layer that there is not, is not called, or gives no rows of numbers.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> output, tables = read_layers(net, torch.zeros(5, 1, 4, 4), ["0", "1"])
    >>> output.shape, {name: tuple(table.shape) for name, table in tables.items()}
    (torch.Size([5, 2]), {'0': (5, 4), '1': (5, 16)})
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


def _table(name: str, output: Any, n_rows: int) -> Tensor:
    while isinstance(output, tuple | list) and output:  # an LSTM adds its last states
        output = output[0]
    if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != n_rows:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output)
        raise ValueError(
            f"layer {name!r} must give {n_rows} rows for {n_rows} inputs, got {shape}; "
            "name another layer"
        )
    if output.ndim == 1:
        output = output[:, None]
    elif output.ndim == 3:
        output = output.mean(dim=1)
    elif output.ndim > 3:
        output = output.flatten(2).mean(dim=2)
    table: Tensor = output.float()
    return table


def _mean(name: str, calls: list[Tensor]) -> Tensor:
    if len({call.shape for call in calls}) != 1:
        what = "gave tables of several shapes" if calls else "was not called"
        raise ValueError(f"layer {name!r} {what}; name another layer")
    mean: Tensor = calls[0] if len(calls) == 1 else torch.stack(calls).mean(dim=0)
    return mean
