"""What the two normal likelihoods share: the predictive mixture in the target's own units."""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf

from bnn import distributions as tfd
from bnn.likelihoods.likelihood import Likelihood, as_columns


class NormalRegression(Likelihood):
    """p(y | outputs) = ∏_d N(y_d; loc_d, scale_d²) with loc and scale given by `parameters`."""

    task = "regression"

    @abc.abstractmethod
    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Loc and scale, float32, `[…, D]` each, for outputs `[…, num_outputs]`."""

    def log_prob(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Σ_d log N(y_d; loc_d, scale_d²), `[B]`, in the units that the model is trained in.

        Raises:
          ValueError: where targets and means differ in shape: they would be broadcast silently.
        """
        loc, scale = self.parameters(outputs)
        targets = tf.convert_to_tensor(targets)
        columns = as_columns(targets)
        if loc.shape.rank not in (2, None) or not columns.shape.is_compatible_with(loc.shape):
            raise ValueError(
                "targets must be [B, D], or [B] where D = 1, for outputs that give means [B, D], "
                f"got targets of shape {targets.shape} and means of shape {loc.shape}; size the "
                "last layer of the model with num_outputs(D)."
            )
        return tf.reduce_sum(tfd.Normal(loc, scale).log_prob(columns), axis=-1)

    def components(
        self, samples: tf.Tensor, loc: Any = 0.0, scale: Any = 1.0
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of each sample's normal in the target's own units.

        Args:
          samples: outputs `[S, B, num_outputs]`.
          loc: mean that was subtracted from the targets, number or `[D]`.
          scale: positive number or `[D]` that the targets were divided by.

        Returns:
          Two tensors `[S, B, D]`, in target units.
        """
        mean, stddev = self.parameters(samples)
        loc, scale = (tf.cast(a, tf.float32) for a in (loc, scale))
        return mean * scale + loc, stddev * scale

    def predictive(self, samples: tf.Tensor, **units: Any) -> tfd.MixtureSameFamily:
        """The uniform mixture of S normals, batch `[B]`, event `[D]`, in the target's own units.

        Its log-density is that of the target itself: dividing targets by `scale` is undone here, so
        log-likelihoods need no further correction.

        Args:
          samples: outputs `[S, B, num_outputs]`.
          **units: `loc` and `scale` as in `components`.
        """
        mean, stddev = self.components(samples, **units)
        mean, stddev = (tf.transpose(a, [1, 0, 2]) for a in (mean, tf.zeros_like(mean) + stddev))
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.zeros(tf.shape(mean)[:2])),
            tfd.Independent(tfd.Normal(mean, stddev), 1),
        )
