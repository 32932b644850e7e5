"""Which libraries made a file or a table."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def installed_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of those libraries that are installed.

    Parameters
    ----------
    libraries : iterable of str
        Names of distributions.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> list(installed_versions(["numpy", "no-such-library"]))
    ['Python', 'numpy']
    """
    found = {"Python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
