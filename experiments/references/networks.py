"""Small networks near their modes."""

from __future__ import annotations

import numpy as np

from experiments.references.laplace_ours import descend
from experiments.references.problems import Network


def networks() -> dict[str, Network]:
    """Classes and numbers with a hidden layer, and classes with a convolution."""
    return {
        "classes": _hidden(0, None),
        "regression": _hidden(1, 0.3),
        "convolution": _convolution(),
    }


def _hidden(seed: int, noise: float | None) -> Network:
    rng = np.random.default_rng(seed)
    x, points = rng.normal(size=(60, 2)), 1.5 * rng.normal(size=(20, 2))
    signal = np.stack([x[:, 0] * x[:, 1], np.sin(2 * x[:, 0]), x[:, 1]], axis=1)
    noisy = signal + 0.3 * rng.normal(size=signal.shape)
    targets = noisy.argmax(1) if noise is None else noisy[:, :2]
    shapes = [(2, 8), (8,), (8, 3 if noise is None else 2), (3 if noise is None else 2,)]
    return _trained(x, targets, points, None, shapes, noise, rng)


def _convolution() -> Network:
    rng = np.random.default_rng(2)
    x, points = rng.normal(size=(40, 5, 5, 2)), rng.normal(size=(20, 5, 5, 2))
    targets = (x[:, :2].mean((1, 2)) @ [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]).argmax(1)
    shapes = [(3, 3, 2, 4), (36, 3), (3,)]
    return _trained(x, targets, points, 3, shapes, None, rng)


def _trained(
    x: np.ndarray,
    targets: np.ndarray,
    points: np.ndarray,
    window: int | None,
    shapes: list[tuple[int, ...]],
    noise: float | None,
    rng: np.random.Generator,
) -> Network:
    """With weights near the mode, by gradient descent of our model with Keras's Adam."""
    weights = [0.5 * rng.normal(size=s) / np.sqrt(np.prod(s[:-1]) or 1) for s in shapes]
    start = Network(
        *(x.astype(np.float32), targets if noise is None else targets.astype(np.float32)),
        *(points.astype(np.float32), window, [w.astype(np.float32) for w in weights], noise),
    )
    return start._replace(weights=descend(start))
