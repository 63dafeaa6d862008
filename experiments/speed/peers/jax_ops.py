"""What the two JAX peers share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from experiments.speed.cases import Case


class Ops:
    """Operations of `cases.forward`, images `[B, height, width, channels]`."""

    relu = staticmethod(jax.nn.relu)

    @staticmethod
    def pool(x: Any) -> Any:
        """Maximum of 2 × 2."""
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    @staticmethod
    def flatten(x: Any) -> Any:
        """Images to vectors."""
        return x.reshape(x.shape[0], -1)

    @staticmethod
    def average(x: Any) -> Any:
        """Mean over positions."""
        return x.mean((1, 2))


def apply(case: Case, i: int, x: Any, kernel: Any) -> Any:
    """Product of layer i's inputs with a kernel."""
    layer = case.layers[i]
    if layer.dense:
        return x @ kernel
    return lax.conv_general_dilated(
        x,
        kernel,
        (layer.stride, layer.stride),
        "SAME" if layer.same else "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def batches(case: Case) -> tuple[Any, Any]:
    """Eight batches on the device: `[8, B, …]`."""
    x, y = case.data()
    return tuple(jnp.asarray(a.reshape(8, case.batch, *a.shape[1:])) for a in (x, y))
