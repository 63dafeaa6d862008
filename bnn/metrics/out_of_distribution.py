"""Detection of inputs that come from another distribution, by a score of uncertainty."""

from typing import NamedTuple

import numpy as np
import sklearn.metrics
from numpy.typing import ArrayLike

from bnn.metrics._validation import check_share, check_vector


class Detection(NamedTuple):
    """How well a score tells examples out of distribution from those in distribution.

    Attributes:
        auroc: area under the receiver operating characteristic; 0.5 is chance.
        aupr_out: average precision, out of distribution being the positive class; chance is the
            share of such examples, so compare only tests of the same proportions.
        aupr_in: average precision, in distribution being the positive class.
        fpr95: share of examples out of distribution that pass where 95 % of those in distribution
            do; lower is better.
    """

    auroc: float
    aupr_out: float
    aupr_in: float
    fpr95: float


def detection(in_scores: ArrayLike, out_scores: ArrayLike) -> Detection:
    """Returns AUROC, both AUPR and FPR95 of a score of uncertainty.

    With u the score of an example in distribution and v that of one out of it:
    `auroc = P(v > u) + P(v = u) / 2`; `aupr = sum_k (recall_k - recall_{k-1}) precision_k` over the
    distinct thresholds, without interpolation; `fpr95` as `false_positive_rate`.

    Args:
        in_scores: `[N]`, uncertainty of examples in distribution, larger means less sure; see
            `uncertainty_scores`.
        out_scores: `[M]`, uncertainty of examples out of distribution.

    Raises:
        ValueError: if an argument is not a vector of finite numbers or is empty.

    References:
        Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution
        Examples in Neural Networks", ICLR 2017.
        Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006
        (why not to interpolate).
    """
    inside = check_vector("in_scores", in_scores)
    outside = check_vector("out_scores", out_scores)
    scores = np.concatenate([inside, outside])
    is_out = np.concatenate([np.zeros(len(inside), bool), np.ones(len(outside), bool)])
    return Detection(
        auroc=float(sklearn.metrics.roc_auc_score(is_out, scores)),
        aupr_out=float(sklearn.metrics.average_precision_score(is_out, scores)),
        aupr_in=float(sklearn.metrics.average_precision_score(~is_out, -scores)),
        fpr95=false_positive_rate(inside, outside),
    )


def false_positive_rate(
    in_scores: ArrayLike, out_scores: ArrayLike, true_positive_rate: float = 0.95
) -> float:
    """Returns the share of examples out of distribution that pass for in distribution.

    `P(v <= t)`, t the smallest score with `P(u <= t) >= true_positive_rate`: an example passes if
    its uncertainty does not exceed t. In distribution is the positive class, as in Liang et al.

    Args:
        in_scores: `[N]`, uncertainty of examples in distribution, larger means less sure.
        out_scores: `[M]`, uncertainty of examples out of distribution.
        true_positive_rate: share of examples in distribution that must pass, in `[0, 1)`.

    Raises:
        ValueError: if a score is not a vector of finite numbers or is empty, or
            `true_positive_rate` does not lie in `[0, 1)`.

    References:
        Liang, Li and Srikant, "Enhancing The Reliability of Out-of-distribution Image Detection in
        Neural Networks", ICLR 2018, section 4.
    """
    inside = check_vector("in_scores", in_scores)
    outside = check_vector("out_scores", out_scores)
    rate = check_share("true_positive_rate", true_positive_rate)
    # 0.95 * 20 may be 19.000000000000004: without the rounding it would ask for one more to pass.
    passing = max(int(np.ceil(round(rate * len(inside), 9))), 1)
    threshold = np.sort(inside)[passing - 1]
    return float(np.mean(outside <= threshold))
