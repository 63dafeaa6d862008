"""Monte-Carlo dropout of activations, in any Keras model."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import gin
import tensorflow as tf

from bnn.data import Batch
from bnn.formatting import is_number
from bnn.methods.counted import Counted
from bnn.methods.dropout_masks import Masks, attach
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.noise import Noise, Purpose
from bnn.prediction import Functions
from bnn.prediction.functions import as_seed, check_num_samples
from bnn.training import Info

# Tells the masks of predictions from those of the step that has the same number.
_OF_PREDICTION = 1


@gin.register(module="bnn.methods")
class MCDropout(Counted, MAP):
    """w ← optimizer(∇_w E_z[L]), L = −(1/B) Σ_b log p(y_b | x_b, w, z_b) − log p(w) / N + R(w).

    Monte-Carlo dropout (Gal & Ghahramani 2016): dropout layers stay on, and each mask z makes
    another function of the trained network. z = b / (1 − p), b ~ Bernoulli(1 − p), one number per
    activation of a `keras.layers.Dropout` (`noise_shape` as it says), one per channel of a
    `SpatialDropout1D` to `3D`. A model without dropout layers has dropout of `rate` put before
    every dense layer, Keras's or bnn's, but the first.

    All masks are from the run's noise, none from Keras's generator. In training every example has
    masks of its own, as in Keras. In prediction sample s has one mask per layer, the same for every
    example, batch and call: coherent, one function of x, where Keras with `training=True` would
    draw another mask for each. Marginal predictions have the same law either way.

    This is a method, for dropout of activations in any Keras model. `bnn.posteriors.MCDropout` is a
    posterior family, for the weights of one Bayesian layer under `VariationalInference`, and counts
    the KL of the paper. Here the prior counts as in `MAP`, −log p(w) of `Point` posteriors, without
    the paper's factor 1 − p of a kernel behind dropout; Keras regularizers count as they are.

    Runs build the model with `Point` posteriors, whatever it asks for. Layers of other noise
    (`GaussianDropout`, recurrent `dropout`) are refused.

    Args:
      rate: p where the model has no dropout layers, between 0 and 1; else the layers' own count.
    """

    point_weights = True
    masks_dropout = True

    def __init__(self, rate: float = 0.1) -> None:
        if not is_number(rate) or not 0 < rate < 1:
            raise ValueError(f"rate must lie strictly between 0 and 1, got {rate!r}; try 0.1.")
        self.rate = float(rate)

    def build(self, problem: Problem) -> None:
        """Has the model's dropout layers take their masks from here.

        Raises:
          ValueError: random weights, no place for dropout, layers of other random noise.
        """
        self._dropped = attach(problem.model, self.rate)
        super().build(problem)

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The negative log joint per example, with a mask for each of them; terms as of `MAP`."""
        with Masks(noise.at(purpose=Purpose.DROPOUT), by_example=True):
            return super().loss(batch, noise, training)

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """Functions of one mask each.

        Args:
          num_samples: S.
          seed: int or scalar integer tensor.
        """
        return MaskDraws(num_samples, seed)

    def describe(self) -> dict[str, Any]:
        """Name, the layers that are dropped, and the cost."""
        described = {"method": type(self).__name__, "posterior": "dropout masks, one by function"}
        if not hasattr(self, "problem"):
            return described
        return {**described, "num_dropout_layers": len(self._dropped), **self.cost()}


class MaskDraws(Functions):
    """Masks of a model that `attach` has changed, one per layer and function.

    Args:
      num_samples: S, at least 1.
      seed: int or scalar integer tensor.
    """

    def __init__(self, num_samples: int, seed: Any) -> None:
        self.num_samples, self.arguments = check_num_samples(num_samples), as_seed(seed)

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """Masks of this seed and sample."""
        return self._at(
            Noise(arguments, purpose=Purpose.DROPOUT, part=_OF_PREDICTION, sample=sample)
        )

    @contextlib.contextmanager
    def _at(self, noise: Noise) -> Iterator[None]:
        with Masks(noise, by_example=False):
            yield

    @property
    def key(self) -> Hashable:
        """All masks are made in the same way."""
        return MaskDraws
