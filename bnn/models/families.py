"""Posteriors and priors of a model's weights, as the arguments of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bnn.posteriors import Posterior
from bnn.priors import Prior


class Families(NamedTuple):
    """What a model was given for its kernels and its biases; a layer's own defaults where None.

    Embeddings count as kernels. A normalisation's scales and offsets have the posterior of the
    biases, its offsets their prior too; the prior of its scales stays N(1, 1).

    Attributes:
      kernel_posterior: of every kernel.
      bias_posterior: of every bias.
      kernel_prior: of every kernel.
      bias_prior: of every bias.
    """

    kernel_posterior: Posterior | None
    bias_posterior: Posterior | None
    kernel_prior: Prior | None
    bias_prior: Prior | None

    def affine(self) -> dict[str, Any]:
        """Of dense layers, convolutions and attention."""
        return self._asdict()

    def kernel(self) -> dict[str, Any]:
        """Of layers without a bias."""
        return {"kernel_posterior": self.kernel_posterior, "kernel_prior": self.kernel_prior}

    def embeddings(self) -> dict[str, Any]:
        """Of tables of ids or positions."""
        return {
            "embeddings_posterior": self.kernel_posterior,
            "embeddings_prior": self.kernel_prior,
        }

    def recurrent(self) -> dict[str, Any]:
        """Of recurrent layers."""
        recurrent = {
            "recurrent_posterior": self.kernel_posterior,
            "recurrent_prior": self.kernel_prior,
        }
        return {**self.affine(), **recurrent}

    def scale_offset(self) -> dict[str, Any]:
        """Of normalisations."""
        return {
            "gamma_posterior": self.bias_posterior,
            "beta_posterior": self.bias_posterior,
            "beta_prior": self.bias_prior,
        }


def check_single(model: str, input_shape: Any, num_outputs: Any) -> None:
    """Raises ValueError for several inputs or several targets, which come by name."""
    for what, given in (("input", input_shape), ("target", num_outputs)):
        if isinstance(given, Mapping):
            raise ValueError(
                f"{model} takes one {what}, got {', '.join(map(repr, given))}; use bnn.models.mlp, "
                "or a function of your own that gives a keras.Model from and to dicts."
            )
