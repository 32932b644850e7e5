"""Faces a second of the network `small`, alone and corrected, 256 faces a call.

Weights and pictures are random: neither changes what an answer costs.  The network
reads a call in batches of 64, as in service: maps of 256 faces are too large to be
allocated without the kernel's help, every time.  The corrector reads the embedding and
the logits, and has learnt one rule.  Ways are measured in turn; the median is printed,
of seconds passed and of CPU time: on a busy machine only the latter means something.

    python tests/performance/face_throughput.py [--calls 4] [--repeats 7]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import FisherDetector, TreesDetector
from rarecorrect_face.recipe import Recipe
from rarecorrect_face.service import read_faces

CALL = 256
CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad")


def main() -> None:
    import torch

    from rarecorrect_face.nets.checkpoint import network_of
    from rarecorrect_face.nets.trained import TrainedNetwork

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    recipe = Recipe()
    network = network_of(recipe, len(CLASSES)).eval()
    trained = TrainedNetwork(network, CLASSES, recipe, (), np.array([]))
    model = trained.as_model(())
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (CALL, 48, 48), dtype=np.uint8)
    whole = trained.as_model((), batch_size=CALL)
    low = trained.as_model((), precision="bfloat16")
    ways: dict[str, Callable[[], Any]] = {
        "network": lambda: model.predict_proba(faces),
        "network, all 256 at once": lambda: whole.predict_proba(faces),
        "network, bfloat16": lambda: low.predict_proba(faces),
    }
    for name, detector in (("Fisher", FisherDetector()), ("trees", TreesDetector())):
        fix = corrector(model, detector, rng)
        ways[f"predict, {name}"] = lambda fix=fix: fix.predict(faces)
        ways[f"labels, scores, trace, {name}"] = lambda fix=fix: read_faces(
            faces, trained, fix
        )
    seconds = measured(ways, args.calls, args.repeats)
    alone = seconds["network"]
    print(f"{torch.get_num_threads()} threads, {CALL} faces a call")
    print(f"{'faces in a second of':32s} {'time':>15s}   {'CPU':>15s}")
    for name, took in seconds.items():
        rates = [
            f"{CALL / s:8,.0f} {s / a:6.3f}" for s, a in zip(took, alone, strict=True)
        ]
        print(f"{name:32s} {'   '.join(rates)}")


def corrector(model: Any, detector: Any, rng: np.random.Generator) -> ErrorCorrector:
    """A corrector learnt from random faces: half of them bear a label of their own."""
    faces = rng.integers(0, 256, (2048, 48, 48), dtype=np.uint8)
    labels = model.predict(faces)
    labels[:1024] = "surprise"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ErrorCorrector(
            model,
            features=["layer:embedding", "logits"],
            detector=detector,
            max_damage=0.01,
            random_state=0,
        ).fit(faces, labels)


def measured(
    ways: dict[str, Callable[[], Any]], calls: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of time and of CPU a call, medians; all ways in every repeat."""
    clocks = (time.perf_counter, time.process_time)
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = [clock() for clock in clocks]
            for _ in range(calls):
                way()
            spent = [
                clock() - begin for clock, begin in zip(clocks, start, strict=True)
            ]
            found[name].append([seconds / calls for seconds in spent])
    return {name: np.median(took, axis=0).tolist() for name, took in found.items()}


if __name__ == "__main__":
    main()
