"""Bayesian attention: Keras's own, with Bayesian projections."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import keras

from bnn.compat import replace_child
from bnn.layers.einsum_dense import EinsumDense
from bnn.layers.family_arguments import FamilyArguments


class BayesianProjections(FamilyArguments):
    """Stands before a Keras attention layer; its projections are `bnn.layers.EinsumDense`.

    Masks, causality, `return_attention_scores`, flash attention and everything else is Keras's; the
    projections of queries, keys, values and outputs have a random kernel and bias each, of the
    same families. Where queries and values are one tensor, as in self-attention, each projection
    is still called once, so that every estimator serves it. Dropout's masks come from Keras's seed
    generators, not from the draw.
    """

    family_sites: ClassVar = tuple(EinsumDense.site_initializers)

    def build(self, query_shape: tuple, value_shape: tuple, key_shape: Any = None) -> None:
        """Has Keras make its projections, and puts Bayesian ones in their places."""
        super().build(query_shape, value_shape, key_shape)  # type: ignore[misc]
        layer: Any = self
        for name, made in list(vars(layer).items()):
            if type(made) is keras.layers.EinsumDense:
                replace_child(layer, name, self._bayesian(made))

    def _bayesian(self, made: keras.layers.EinsumDense) -> EinsumDense:
        config = made.get_config()
        own = {name: config[name] for name in _OPTIONS if name in config}
        own["output_shape"] = config["output_shape"]
        projection = EinsumDense(**own, **self.families())
        projection.build_from_config(made.get_build_config())
        return projection


_OPTIONS = (
    "name",
    "dtype",
    "trainable",
    "equation",
    "activation",
    "bias_axes",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class MultiHeadAttention(BayesianProjections, keras.layers.MultiHeadAttention):
    """softmax(Q Kᵀ / √d) V in `num_heads` heads (Vaswani et al. 2017), the projections random.

    Args:
      *args: of `keras.layers.MultiHeadAttention`: num_heads, key_dim …
      **kwargs: of the same, with kernel_posterior, bias_posterior, kernel_prior and bias_prior.
    """


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class GroupQueryAttention(BayesianProjections, keras.layers.GroupQueryAttention):
    """Attention of query heads that share keys and values (Ainslie et al. 2023), all random.

    Args:
      *args: of `keras.layers.GroupQueryAttention`: head_dim, num_query_heads, num_key_value_heads …
      **kwargs: of the same, with kernel_posterior, bias_posterior, kernel_prior and bias_prior.
    """
