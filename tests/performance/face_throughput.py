"""Faces a second of the network `small`, alone and corrected, in batches of 256.

Weights and pictures are random: neither changes what an answer costs.  The corrector
reads the embedding and the logits, and has learnt one rule.  Ways are measured in turn;
the median is printed.

    python tests/performance/face_throughput.py [--batches 4] [--repeats 7]
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

BATCH = 256
CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad")


def main() -> None:
    import torch

    from rarecorrect_face.nets.checkpoint import network_of
    from rarecorrect_face.nets.trained import TrainedNetwork

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    recipe = Recipe()
    network = network_of(recipe, len(CLASSES)).eval()
    trained = TrainedNetwork(network, CLASSES, recipe, (), np.array([]))
    model = trained.as_model((), batch_size=BATCH)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (BATCH, 48, 48), dtype=np.uint8)
    ways: dict[str, Callable[[], Any]] = {"network": lambda: model.predict_proba(faces)}
    for name, detector in (("Fisher", FisherDetector()), ("trees", TreesDetector())):
        fix = corrector(model, detector, rng)
        ways[f"predict, {name}"] = lambda fix=fix: fix.predict(faces)
        ways[f"labels, scores, trace, {name}"] = lambda fix=fix: read_faces(
            faces, trained, fix
        )
    seconds = measured(ways, args.batches, args.repeats)
    alone = seconds["network"]
    print(f"{torch.get_num_threads()} threads, {BATCH} faces a batch")
    for name, took in seconds.items():
        print(f"{name:32s} {BATCH / took:8,.0f} faces/s   {took / alone:.3f}")


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
    ways: dict[str, Callable[[], Any]], batches: int, repeats: int
) -> dict[str, float]:
    """Seconds a batch, median over repeats; all ways in every repeat."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(batches):
                way()
            found[name].append((time.perf_counter() - start) / batches)
    return {name: float(np.median(took)) for name, took in found.items()}


if __name__ == "__main__":
    main()
