"""What the machine can do: a large matrix product and a large copy, with two threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from experiments.speed.cases import Case
from experiments.speed.peers import Run, Variants

SIDE = 1024
COPIED = 2**26  # bytes, far beyond the caches


def _product() -> Run:
    a = tf.random.stateless_normal((SIDE, SIDE), (0, 1))
    b = tf.random.stateless_normal((SIDE, SIDE), (0, 2))
    multiply = tf.function(tf.matmul, jit_compile=False)

    def run(k: int) -> None:
        for _ in range(k):
            multiply(a, b).numpy()

    return run


def _product_numpy() -> Run:
    a, b = np.random.default_rng(0).normal(size=(2, SIDE, SIDE)).astype(np.float32)
    out = np.empty_like(a)

    def run(k: int) -> None:
        for _ in range(k):
            np.matmul(a, b, out=out)

    return run


def _copy() -> Run:
    source = np.ones((2, COPIED // 8), np.float32)
    target = np.zeros_like(source)
    pool = ThreadPoolExecutor(2)

    def run(k: int) -> None:
        for _ in range(k):
            list(pool.map(np.copyto, target, source))

    return run


def variants(case: Case) -> Variants:
    """Independent of the case: SIDE³·2 operations, and COPIED bytes read and as many written."""
    del case
    tf.config.threading.set_intra_op_parallelism_threads(2)
    return {"product/TensorFlow": _product, "product/NumPy": _product_numpy, "copy/NumPy": _copy}
