"""How unsure a classifier is of an example, by the scores in use."""

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray
from bnn.metrics.classification import predictive_log_probs
from bnn.metrics.entropy import epistemic_entropy, predictive_entropy


def uncertainty_scores(log_probs: ArrayLike) -> dict[str, FloatArray]:
    """Returns scores of uncertainty by name, each `[B]`; larger means less sure.

    - `max_probability`: `1 - max_c p(c | x_b)` of the predictive mixture (Hendrycks and Gimpel);
    - `entropy`: `H[p(y | x_b)]`, nats, see `predictive_entropy`;
    - `mutual_information`: `I[y; w | x_b]`, nats, see `epistemic_entropy`. Zero for one sample,
      which cannot disagree with itself.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.

    Raises:
        ValueError: if `log_probs` is not `[S, B, C]`, has an empty axis, holds NaN or does not
            sum to one over classes.

    References:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
        Examples in Neural Networks", ICLR 2017.
    """
    top = predictive_log_probs(log_probs).max(axis=-1)
    return {
        "max_probability": np.maximum(-np.expm1(top), 0.0),  # exact where the top is near 1
        "entropy": predictive_entropy(log_probs),
        "mutual_information": epistemic_entropy(log_probs),
    }
