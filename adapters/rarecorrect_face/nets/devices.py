"""Where and how precisely a network computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def device_of(name: str) -> torch.device:
    """The device of a name.

    Parameters
    ----------
    name : str
        ``"auto"``: CUDA if there is a GPU, else the CPU; or a name torch knows.

    Returns
    -------
    device

    Raises
    ------
    ValueError
        For a name that torch does not know, or a device that is not there.

    Examples
    --------
    >>> device_of("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {name!r} cannot be used ({reason}); use 'auto' or 'cpu'"
        ) from error
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Context in which products are computed at a precision.

    Parameters
    ----------
    device : device
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"``: bfloat16 where the device has instructions for it.

    Returns
    -------
    autocast

    Examples
    --------
    >>> with autocast(torch.device("cpu"), "bfloat16"):
    ...     torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype
    torch.bfloat16
    """
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed; the caller's generators stay as they were.

    Parameters
    ----------
    seed : int

    Examples
    --------
    >>> with seeded(0):
    ...     first = torch.rand(3)
    >>> with seeded(0):
    ...     torch.equal(torch.rand(3), first)
    True
    """
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # older versions of torch cannot tell
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
