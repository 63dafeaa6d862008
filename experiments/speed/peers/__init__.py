"""The libraries, one module each.

A module has `variants(case)`: name to a function without arguments that builds the network and
returns `run(k)`, which does k training steps and returns when they are done. Names are
`estimator/form`; `prediction/form` predicts k times, with 100 weight samples for 10,000 inputs.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections.abc import Callable
from typing import Any

# Name in tables: (module, packages that it needs beside ours).
PEERS = {
    "machine": ("machine", ()),
    "bnn": ("ours", ()),
    "tfp.layers": ("tfp_layers", ("tf_keras",)),
    "NumPyro": ("numpyro_svi", ("jax", "numpyro")),
    "JAX by hand": ("jax_hand", ("jax", "optax")),
    "PyTorch by hand": ("torch_hand", ("torch",)),
    "bayesian-torch": ("torch_bayesian", ("torch", "bayesian_torch")),
}
Run = Callable[[int], None]
Variants = dict[str, Callable[[], Run]]


def missing(peer: str) -> list[str]:
    """The packages that a peer needs and that are not installed."""
    return [name for name in PEERS[peer][1] if importlib.util.find_spec(name) is None]


def load(peer: str) -> Any:
    """The peer's module."""
    return importlib.import_module(f"experiments.speed.peers.{PEERS[peer][0]}")


def keras_ops(layers: Any, relu: Callable[[Any], Any]) -> Any:
    """What `cases.forward` needs beside its layers, of one of the two Keras."""
    return types.SimpleNamespace(
        relu=relu,
        pool=lambda x: layers.MaxPooling2D(2)(x),
        flatten=lambda x: layers.Flatten()(x),
        average=lambda x: layers.GlobalAveragePooling2D()(x),
    )
