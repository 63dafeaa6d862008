"""The base of layers that normalise and then scale and move at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.priors import Normal
from bnn.sites import Site


class ScaleOffset(BayesianLayer):
    """y = x̂ ∘ γ + β: x̂ normalised by Keras, γ and β random.

    The default prior of γ is N(1, 1), about the value at which it does nothing; that of β N(0, 1).

    Args:
      center: whether there is a β.
      scale: whether there is a γ.
      **kwargs: of `BayesianLayer`, with its options for the sites `gamma` and `beta`.
    """

    site_initializers: ClassVar = {"gamma": "ones", "beta": "zeros"}

    def __init__(self, *, center: bool = True, scale: bool = True, **kwargs: Any) -> None:
        if kwargs.get("gamma_prior") is None:
            kwargs["gamma_prior"] = Normal(1.0)
        super().__init__(**kwargs)
        self.center, self.scale = bool(center), bool(scale)
        self.supports_masking = True

    def add_scale_offset(self, input_shape: tuple, axes: int | Sequence[int]) -> None:
        """Declares the sites; called in `build`.

        Args:
          input_shape: `[B, …]`.
          axes: along which every element has a γ and a β of its own.

        Raises:
          ValueError: an axis of unknown size.
        """
        axes = [axes] if isinstance(axes, int) else list(axes)
        shape = tuple(input_shape[axis] for axis in axes)
        if None in shape:
            raise ValueError(
                f"the inputs of layer {self.name!r} must have known sizes at axes {axes}, got "
                f"shape {tuple(input_shape)}."
            )
        broadcast = operators.broadcast_shape(input_shape, axes)
        self.gamma: Site | None = None
        self.beta: Site | None = None
        if self.scale:
            self.gamma = self.add_site("gamma", operators.Scale(broadcast), shape)
        if self.center:
            self.beta = self.add_site("beta", operators.Offset(broadcast), shape)

    def scaled(self, normalised: tf.Tensor) -> tf.Tensor:
        """γ and β applied, where there are any."""
        outputs = normalised
        if self.gamma is not None:
            outputs = self.gamma(outputs)
        if self.beta is not None:
            outputs = outputs + self.beta(normalised)
        return outputs

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "center": self.center, "scale": self.scale}
