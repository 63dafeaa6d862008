"""Selective prediction: what is gained by answering only where the model is sure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray, check_vector


class RiskCoverage(NamedTuple):
    """The risk-coverage curve.

    Attributes:
        coverage: share of examples answered, `[B]`: 1/B, 2/B, …, 1.
        risk: mean loss of the examples answered, `[B]`, in the unit of the loss.
    """

    coverage: FloatArray
    risk: FloatArray


def risk_coverage(uncertainty: ArrayLike, loss: ArrayLike) -> RiskCoverage:
    """Returns the mean loss of the i surest examples, for i = 1 … B.

    `coverage_i = i/B` and `risk_i = (1/i) sum_{j <= i} loss_(j)`, examples sorted by rising
    uncertainty. Examples of equal uncertainty have no order: the curve is the mean over all orders
    of them, in which each carries their mean loss, so it does not depend on the order of the data.

    Args:
        uncertainty: `[B]`, larger means less sure; one of `uncertainty_scores`, or the predictive
            standard deviation of a regression.
        loss: `[B]`, such as 1 for a wrong class and 0 for a right one, or a squared error.

    Raises:
        ValueError: if an argument is not a vector of finite numbers, is empty, or the lengths
            differ.

    References:
        El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11,
        2010.
    """
    scores = check_vector("uncertainty", uncertainty)
    losses = check_vector("loss", loss, like=("uncertainty", scores))
    _, group = np.unique(scores, return_inverse=True)
    by_group = np.bincount(group, weights=losses) / np.bincount(group)
    answered = np.arange(1, len(scores) + 1)
    return RiskCoverage(
        coverage=answered / len(scores), risk=np.cumsum(by_group[np.sort(group)]) / answered
    )


def aurc(uncertainty: ArrayLike, loss: ArrayLike) -> float:
    """Returns the area under the risk-coverage curve, in the unit of the loss; lower is better.

    `(1/B) sum_i risk_i` with `risk_coverage`. An uncertainty that knows nothing of the loss gives
    the mean loss in expectation.

    Args:
        uncertainty: `[B]`, larger means less sure.
        loss: `[B]`.

    Raises:
        ValueError: as `risk_coverage`.

    References:
        Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural
        Classifiers", ICLR 2019.
    """
    return float(np.mean(risk_coverage(uncertainty, loss).risk))


def excess_aurc(uncertainty: ArrayLike, loss: ArrayLike) -> float:
    """Returns the AURC above that of the best order of the same losses; 0 is perfect.

    `aurc(uncertainty, loss) - aurc(loss, loss)`: what the ranking is to blame for, apart from how
    many errors there are. Known as E-AURC.

    Args:
        uncertainty: `[B]`, larger means less sure.
        loss: `[B]`.

    Raises:
        ValueError: as `risk_coverage`.

    References:
        Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural
        Classifiers", ICLR 2019.
    """
    return aurc(uncertainty, loss) - aurc(loss, loss)
