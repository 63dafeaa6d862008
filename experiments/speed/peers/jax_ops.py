"""What the two JAX peers share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from experiments.speed.cases import Case
from experiments.speed.peers import Run


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


def train(case: Case, step: Callable[..., tuple[Any, Any]], state: Any, loop: bool) -> Run:
    """Training with the state donated, a call per step or a loop of steps.

    Args:
      case: gives the batches.
      step: `(state, number, x, y) -> (state, loss)`.
      state: at the start.
      loop: k steps in one call.
    """
    xs, ys = batches(case)
    data = [(xs[i], ys[i]) for i in range(8)]
    one, done = jax.jit(step, donate_argnums=0), 0

    @functools.partial(jax.jit, donate_argnums=0)
    def many(state: Any, first: Any, last: Any, xs: Any, ys: Any) -> tuple[Any, Any]:
        def body(i: Any, carry: Any) -> Any:
            return step(carry[0], i, xs[i % 8], ys[i % 8])

        return lax.fori_loop(first, last, body, (state, jnp.zeros(())))

    def run(k: int) -> None:
        nonlocal state, done
        if loop:
            state, loss = many(state, done, done + k, xs, ys)
        else:
            for i in range(done, done + k):
                state, loss = one(state, i, *data[i % 8])
        done += k
        jax.block_until_ready((state, loss))

    return run
