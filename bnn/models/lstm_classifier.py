"""An LSTM over tokens."""

from __future__ import annotations

from collections.abc import Sequence

import gin
import keras

from bnn.layers import LSTM, Dense, Embedding
from bnn.models.families import Families, check_single
from bnn.models.transformer_parts import token_input
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def lstm_classifier(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    num_tokens: int = 20_000,
    width: int = 128,
    units: int = 128,
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """Embedding, LSTM (Hochreiter & Schmidhuber 1997), and outputs of its last state.

    Id 0 is padding, which the LSTM passes over. Its recurrent kernel is drawn once a sequence and
    takes estimators of weights, such as `Reparameterization`.

    Args:
      input_shape: `(length,)` of one example's ids.
      num_outputs: number of outputs, linear.
      num_tokens: number of ids, 0 included.
      width: of the ids' vectors.
      units: of the LSTM.
      kernel_posterior: of every kernel, the recurrent one and the embedding included; the layer's
        default where None.
      bias_posterior: of every bias.
      kernel_prior: of every kernel, likewise.
      bias_prior: of every bias.

    Returns:
      A Keras model from ids `[B, length]` to `[B, num_outputs]`.

    Raises:
      ValueError: inputs that are no ids, or fewer than two ids.
    """
    families = Families(kernel_posterior, bias_posterior, kernel_prior, bias_prior)
    check_single("lstm_classifier", input_shape, num_outputs)
    inputs = token_input(input_shape, num_tokens)
    h = Embedding(num_tokens, width, mask_zero=True, **families.embeddings())(inputs)
    h = LSTM(units, **families.recurrent())(h)
    return keras.Model(inputs, Dense(num_outputs, **families.affine())(h))
