"""Tests that need more than the core: which ones this machine can run.

A test says what it needs with a marker: ``needs_torch``, ``needs_browser``,
``needs_boosting``, ``needs_shap``, ``needs_onnx`` or ``needs_data``; asking for the
fixture ``data_home`` sets the last one. What cannot run is skipped here, in one place,
and listed with a count at the end. ``make test-extras`` selects the same tests by the
same markers.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from rarecorrect import ErrorCorrector

# needs atheris, in an environment of its own
collect_ignore = ["performance/fuzz_files.py"]

# A test that is slow on a busy machine is not wrong: no timing assertions.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


class Need(NamedTuple):
    """What a marker stands for, how to get it, and whether it is here."""

    what: str
    way_out: str
    is_met: Callable[[], bool]


def _can_import(*modules: str) -> Callable[[], bool]:
    return lambda: all(find_spec(module) is not None for module in modules)


def _has_browser() -> bool:
    return _browser() is not None


def _browser() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


def _has_data() -> bool:
    return bool(os.environ.get("RARECORRECT_DATA"))


NEEDS = {
    "needs_torch": Need("torch", "install the extra [face]", _can_import("torch")),
    "needs_boosting": Need(
        "xgboost and lightgbm",
        "install the extra [boosting]",
        _can_import("xgboost", "lightgbm"),
    ),
    "needs_shap": Need("shap", "install the extra [report]", _can_import("shap")),
    "needs_onnx": Need(
        "onnx, skl2onnx and onnxruntime",
        "install the extra [onnx]",
        _can_import("onnx", "skl2onnx", "onnxruntime"),
    ),
    "needs_browser": Need(
        "a browser", "put chromium or google-chrome on PATH", _has_browser
    ),
    "needs_data": Need(
        "RARECORRECT_DATA", "set it to the folder with the real data", _has_data
    ),
}


@pytest.fixture
def in_browser(tmp_path: Path) -> Callable[[Path], tuple[str, str]]:
    """From a page to its document, once scripts have run, and to complaints."""

    def opened(file: Path) -> tuple[str, str]:
        run = subprocess.run(
            [
                str(_browser()),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-background-networking",
                "--enable-logging=stderr",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=1000",
                "--dump-dom",
                file.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        complaints = [
            line
            for line in run.stderr.splitlines()
            if ":CONSOLE" in line or "Refused to" in line
        ]
        return run.stdout, "\n".join(complaints)

    return opened


@pytest.fixture
def on_a_phone(
    tmp_path: Path, in_browser: Callable[[Path], tuple[str, str]]
) -> Callable[[str], dict[str, Any]]:
    """From a page to what a phone, 390 px wide, shows of it.

    A window cannot be that narrow, a frame in it can: it is measured from outside, so
    that the page runs as it is.
    """
    frame = """<iframe width="390" height="844" srcdoc="{page}"></iframe><script>
      onload = () => {
        const inside = document.querySelector("iframe").contentDocument;
        inside.querySelectorAll("details").forEach((one) => { one.open = true; });
        const result = {
          width: inside.documentElement.scrollWidth, cut: [], small: [], over: [] };
        inside.querySelectorAll("svg[role=img]").forEach((svg) => {
          const whole = svg.getBoundingClientRect();
          const scale = whole.width / svg.viewBox.baseVal.width;
          const seen = [];
          svg.querySelectorAll("text").forEach((text) => {
            const box = text.getBoundingClientRect(), words = text.textContent;
            const size = parseFloat(getComputedStyle(text).fontSize) * scale;
            const cut = box.left < whole.left - 1 || box.right > whole.right + 1;
            if (cut) result.cut.push(words);
            if (size < 10) result.small.push(words);
            if (seen.some((o) => box.left < o.right && o.left < box.right &&
                box.top + 3 < o.bottom && o.top < box.bottom - 3)) {
              result.over.push(words);
            }
            seen.push(box);
          });
        });
        const out = document.createElement("pre");
        out.id = "result"; out.textContent = JSON.stringify(result);
        document.body.append(out);
      };
    </script>"""

    def shown(page: str) -> dict[str, Any]:
        file = tmp_path / "phone.html"
        text = frame.replace("{page}", escape(page))
        file.write_text(f"<!doctype html>{text}", encoding="utf-8")
        found = re.search(r'<pre id="result">(.*?)</pre>', in_browser(file)[0], re.S)
        assert found is not None
        result: dict[str, Any] = json.loads(unescape(found[1]))
        return result

    return shown


@pytest.fixture(scope="session")
def data_home() -> Path:
    """Folder with the real data, named by ``RARECORRECT_DATA``."""
    return Path(os.environ["RARECORRECT_DATA"]).resolve()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse a data folder that is not there."""
    for marker, need in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {need.what}")
    folder = os.environ.get("RARECORRECT_DATA")
    if folder and not Path(folder).is_dir():
        raise pytest.UsageError(
            f"RARECORRECT_DATA must name a folder, got {folder!r}; "
            "correct it, or unset it to skip the tests that need real data"
        )


# First, so that `-m needs_data` also selects tests marked through the fixture.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip every test whose needs are not met."""
    missing = {marker: need for marker, need in NEEDS.items() if not need.is_met()}
    for item in items:
        if "data_home" in getattr(item, "fixturenames", ()):
            item.add_marker("needs_data")
        for marker, need in missing.items():
            if item.get_closest_marker(marker):
                reason = f"needs {need.what} ({need.way_out})"
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests were skipped for a need, and each with its reason."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if not NEEDS.keys().isdisjoint(getattr(report, "keywords", {}))
    ]
    if not skipped:
        return
    terminalreporter.write_sep(
        "=", f"{len(skipped)} skipped for lack of what they need"
    )
    for report in skipped:
        reason = report.longrepr[2].removeprefix("Skipped: ")
        terminalreporter.write_line(f"{report.nodeid}: {reason}")


class Outbreak(NamedTuple):
    """A model that was trained before class 2 existed, and rows from after."""

    model: LogisticRegression
    X: NDArray[np.float64]
    y: NDArray[np.intp]
    X_new: NDArray[np.float64]
    y_new: NDArray[np.intp]

    def fitted(self, *, side: Any = None, **options: Any) -> ErrorCorrector:
        """A corrector with a budget that certifies on few rows."""
        corrector = ErrorCorrector(
            self.model, **{"max_damage": 0.1, "random_state": 0, **options}
        )
        return corrector.fit(self.X, self.y, **(side or {}))


@pytest.fixture(scope="session")
def outbreak() -> Outbreak:
    """Three overlapping blobs; a third of the rows is of the class unknown before."""
    X, y = make_blobs(3000, n_features=4, centers=3, cluster_std=3.5, random_state=0)
    old = np.flatnonzero(y[:600] != 2)
    model = LogisticRegression().fit(X[old], y[old])
    return Outbreak(model, X[600:1800], y[600:1800], X[1800:], y[1800:])


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Many small products in many threads are slower than in one, on a busy machine."""
    with threadpool_limits(1):
        yield
