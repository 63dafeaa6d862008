"""A low-rank random update of a frozen layer."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.layers.checks import positive

_KINDS = (keras.layers.Dense, keras.layers.EinsumDense)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class LoRA(BayesianLayer):
    """y = activation(op(x, W + (α / r) A B) + b) with frozen W and b, random A and B.

    Hu et al. 2022, with a distribution over the update. W is the kernel of a Keras `Dense` or
    `EinsumDense` layer; A is `[…, r]`, the kernel's shape with r in place of its last axis, and B
    `[r, last axis]`. The update is computed as op(op(x, A), B), so that each site is linear in its
    inputs and every estimator serves it. B starts at zero: the mean is the frozen layer's function.

    Args:
      layer: `keras.layers.Dense` or `keras.layers.EinsumDense`, built or not; it is frozen.
      rank: r, positive.
      alpha: α; r where None.
      **kwargs: of `BayesianLayer`, with its options for the sites `down` (A) and `up` (B).

    Raises:
      ValueError: another kind of layer, or an equation whose kernel ends in an axis that the
        outputs do not have.
    """

    site_initializers: ClassVar = {"down": "he_uniform", "up": "zeros"}

    def __init__(
        self, layer: keras.layers.Layer, rank: int, alpha: float | None = None, **kwargs: Any
    ) -> None:
        if type(layer) not in _KINDS:
            raise ValueError(
                "layer must be a keras.layers.Dense or keras.layers.EinsumDense, whose kernel "
                f"LoRA updates, got {type(layer).__name__}."
            )
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(**kwargs)
        self.layer = layer
        self.layer.trainable = False
        self.rank = positive("rank", rank)
        self.alpha = float(rank if alpha is None else alpha)
        self.supports_masking = True

    @property
    def trainable(self) -> bool:
        """Whether A and B are trained; W and b never are."""
        return super().trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        if "layer" in vars(self):
            self.layer.trainable = False

    def build(self, input_shape: tuple) -> None:
        """Creates the variables."""
        if not self.layer.built:
            self.layer.build(input_shape)
        kernel = tuple(self.layer.kernel.shape)
        first, second = self._operators()
        self.down = self.add_site("down", first, (*kernel[:-1], self.rank))
        self.up = self.add_site("up", second, (self.rank, kernel[-1]))

    def _operators(self) -> tuple[operators.Operator, operators.Operator]:
        if isinstance(self.layer, keras.layers.Dense):
            return operators.Dense(), operators.Dense()
        axes = operators.EinsumAxes.of(self.layer.equation)
        last = axes.weights[-1]
        if last not in axes.outputs or last in axes.inputs:
            raise ValueError(
                f"the kernel's last axis {last!r} must be one of the outputs and not of the "
                f"inputs in the equation {self.layer.equation!r} of layer {self.layer.name!r}: "
                "LoRA factorises the kernel there."
            )
        used = axes.inputs + axes.weights + axes.outputs
        rank = next(
            x for x in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if x not in used
        )
        middle = axes.joined(axes.outputs.replace(last, rank))
        inputs, outputs = axes.joined(axes.inputs), axes.joined(axes.outputs)
        return (
            operators.Einsum(f"{inputs},{axes.weights[:-1]}{rank}->{middle}"),
            operators.Einsum(f"{middle},{rank}{last}->{outputs}"),
        )

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The frozen layer's outputs with the update."""
        del training
        inputs = self.floating(inputs)
        if isinstance(self.layer, keras.layers.Dense):
            outputs = keras.ops.matmul(inputs, self.layer.kernel)
        else:
            outputs = keras.ops.einsum(self.layer.equation, inputs, self.layer.kernel)
        if self.layer.bias is not None:
            outputs = keras.ops.add(outputs, self.layer.bias)
        update = self.up(self.down(inputs))
        outputs = outputs + tf.cast(self.alpha / self.rank, outputs.dtype) * update
        return outputs if self.layer.activation is None else self.layer.activation(outputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the frozen layer."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer, "rank": self.rank, "alpha": self.alpha}

    @classmethod
    def from_config(cls, config: dict) -> LoRA:
        """The layer that `get_config` described, with its posteriors and priors."""
        config = {**config, "layer": keras.saving.deserialize_keras_object(config["layer"])}
        return super().from_config(config)
