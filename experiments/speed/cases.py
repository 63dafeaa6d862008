"""What is measured: architectures, batches, and the work that a step cannot avoid.

Nothing here imports a framework; every peer builds its network from these descriptions, so that
all of them do the same work.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

PREDICTION_SAMPLES = 100
PREDICTION_INPUTS = 10_000
PRIOR_SCALE = 1.0
INITIAL_SCALE = 0.02
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer with weights."""

    inputs: int  # channels that come in
    outputs: int  # units or filters
    size: int = 0  # side of the filter; 0 for a dense layer
    stride: int = 1  # of the filter
    same: bool = False  # whether the image is padded to keep its size (divided by the stride)
    positions: int = 1  # output positions at which the kernel is applied; 1 for a dense layer

    @property
    def dense(self) -> bool:
        """Whether this is no convolution."""
        return self.size == 0

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """Shape in TensorFlow's order."""
        side = () if self.dense else (self.size, self.size)
        return (*side, self.inputs, self.outputs)

    @property
    def multiplications(self) -> int:
        """Of one example's forward pass."""
        return int(np.prod(self.kernel_shape)) * self.positions


@dataclasses.dataclass(frozen=True)
class Case:
    """One architecture at one batch size."""

    name: str  # in tables and on the command line
    network: str  # which of `forward`'s networks
    input_shape: tuple[int, ...]  # of one example
    layers: tuple[Layer, ...]  # in the order of `forward`'s calls
    batch: int  # examples of a step
    num_train: int = 60_000  # examples that the KL is divided by
    # a normal likelihood with a learned scale, instead of a categorical one
    regression: bool = False
    steps_per_call: int = 50  # of our loop, and of the peers' loops where they have one

    @property
    def num_weights(self) -> int:
        """Kernels and biases."""
        return sum(int(np.prod(x.kernel_shape)) + x.outputs for x in self.layers)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets in memory, eight batches; the numbers do not matter for the time."""
        random = np.random.default_rng(0)
        size = 8 * self.batch
        inputs = random.normal(size=(size, *self.input_shape)).astype(np.float32)
        if self.regression:
            return inputs, random.normal(size=(size, 1)).astype(np.float32)
        return inputs, random.integers(0, self.layers[-1].outputs, size).astype(np.int32)

    def flops(self, estimator: str) -> int:
        """Floating-point operations of a step's matrix products and convolutions.

        Forward 2·B·Σ m with m multiplications per example; the gradients in the kernel and, but
        for the first layer, in the inputs cost the same again. Local reparameterization and Flipout
        have two products where one sample has one. A prediction is the forward pass of all inputs
        for every weight sample.
        """
        if estimator == "prediction":
            multiplications = sum(x.multiplications for x in self.layers)
            return 2 * PREDICTION_SAMPLES * PREDICTION_INPUTS * multiplications
        forward = [2 * self.batch * x.multiplications for x in self.layers]
        both = 3 * sum(forward) - forward[0]
        return both * (2 if estimator in ("lrt", "flipout") else 1)

    def bytes(self, estimator: str) -> int:
        """Bytes per step that no fusion removes, float32.

        Per weight and variable, Adam reads and writes the variable and two moments (24 bytes);
        each product reads its matrix forward and backward (8) and its gradient is written and read
        (8). What is derived from the variables, a sample or a scale, is written once (4). Of a
        prediction only the outputs are counted: everything else can be cut to fit into caches.
        """
        if estimator == "prediction":
            return 4 * PREDICTION_SAMPLES * PREDICTION_INPUTS * self.layers[-1].outputs
        per_weight = {
            "deterministic": 24 + 8 + 8,
            "reparameterization": 48 + 4 + 8 + 8,
            "lrt": 48 + 4 + 2 * (8 + 8),
            "flipout": 48 + 4 + 2 * (8 + 8),
        }[estimator]
        return per_weight * self.num_weights


def forward(network: str, x: Any, layer: Callable[[int, Any], Any], ops: Any) -> Any:
    """The networks, for any framework.

    Args:
      network: "mlp", "lenet5" or "resnet8".
      x: inputs `[B, …]`.
      layer: applies the layer of this number, without activation.
      ops: has `relu(x)`, `pool(x)` (maximum of 2 × 2), `flatten(x)`, and `average(x)` over
        positions.
    """
    if network == "lenet5":
        x = ops.pool(ops.relu(layer(0, x)))
        x = ops.pool(ops.relu(layer(1, x)))
        x = ops.flatten(ops.relu(layer(2, x)))
        return layer(4, ops.relu(layer(3, x)))
    if network == "resnet8":
        x = ops.relu(layer(0, x))
        x = ops.relu(x + layer(2, ops.relu(layer(1, x))))
        x = ops.relu(layer(5, x) + layer(4, ops.relu(layer(3, x))))
        x = ops.relu(layer(8, x) + layer(7, ops.relu(layer(6, x))))
        return layer(9, ops.average(x))
    depth = int(network.removeprefix("mlp"))
    for i in range(depth - 1):
        x = ops.relu(layer(i, x))
    return layer(depth - 1, x)


def _mlp(name: str, *sizes: int, **options: Any) -> Case:
    layers = tuple(Layer(i, o) for i, o in itertools.pairwise(sizes))
    return Case(name, f"mlp{len(layers)}", sizes[:1], layers, **options)


def _conv(inputs: int, outputs: int, size: int, side: int, stride: int = 1, same: bool = True):
    return Layer(inputs, outputs, size, stride, same, side * side)


_LENET = (
    _conv(1, 6, 5, 28),
    _conv(6, 16, 5, 10, same=False),
    _conv(16, 120, 5, 1, same=False),
    Layer(120, 84),
    Layer(84, 10),
)
_RESNET = (
    _conv(3, 16, 3, 32),
    _conv(16, 16, 3, 32),
    _conv(16, 16, 3, 32),
    _conv(16, 32, 3, 16, stride=2),
    _conv(32, 32, 3, 16),
    _conv(16, 32, 1, 16, stride=2),
    _conv(32, 64, 3, 8, stride=2),
    _conv(64, 64, 3, 8),
    _conv(32, 64, 1, 8, stride=2),
    Layer(64, 10),
)
CASES = {
    case.name: case
    for case in (
        _mlp("784-400-400-10", 784, 400, 400, 10, batch=128),
        _mlp("13-50-1", 13, 50, 1, batch=32, num_train=455, regression=True, steps_per_call=1000),
        Case("LeNet-5", "lenet5", (28, 28, 1), _LENET, 128, steps_per_call=20),
        Case("ResNet-8", "resnet8", (32, 32, 3), _RESNET, 64, 50_000, steps_per_call=4),
        _mlp("784-1200-1200-10", 784, 1200, 1200, 10, batch=128, steps_per_call=10),
    )
}
# For tests: every part of the benchmark in seconds.
FAST = {
    "6-5-3": _mlp("6-5-3", 6, 5, 3, batch=4, num_train=32, steps_per_call=4),
    "64-200-200-10": _mlp("64-200-200-10", 64, 200, 200, 10, batch=64, steps_per_call=4),
    "6-5-1": _mlp("6-5-1", 6, 5, 1, batch=4, num_train=32, regression=True, steps_per_call=4),
}
