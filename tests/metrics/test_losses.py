import numpy as np
import pytest
import scipy.stats

from bnn import metrics


def test_means_of_the_classification_losses_are_the_metrics(classification):
    log_probs, labels, mean = classification
    losses = metrics.classification_losses(log_probs, labels)
    assert {loss.shape for loss in losses.values()} == {labels.shape}
    for name, metric in (("nll", metrics.nll), ("error", metrics.error), ("brier", metrics.brier)):
        assert losses[name].mean() == pytest.approx(metric(log_probs, labels), rel=1e-12)
    right = mean[np.arange(len(labels)), labels]
    np.testing.assert_allclose(losses["nll"], -np.log(right), rtol=1e-9)
    np.testing.assert_array_equal(losses["error"], mean.argmax(axis=-1) != labels)


def of_targets(losses, name):
    """The loss of one target `[B]`, or of each of several by name, `[B, D]`."""
    if name in losses:
        return losses[name]
    return np.stack([losses[f"{name}/target_{d}"] for d in range(3)], axis=-1)


def test_means_of_the_regression_losses_are_the_metrics(regression):
    loc, scale, targets = regression
    losses = metrics.regression_losses(loc, scale, targets)
    assert {loss.shape for loss in losses.values()} == {(loc.shape[1],)}
    assert losses["nll"].mean() == pytest.approx(
        -metrics.log_likelihood(loc, scale, targets), rel=1e-12
    )
    squared, ranked = (of_targets(losses, name) for name in ("squared_error", "crps"))
    assert np.sqrt(squared.mean(axis=0)) == pytest.approx(metrics.rmse(loc, targets))
    assert ranked.mean(axis=0) == pytest.approx(metrics.crps(loc, scale, targets), rel=1e-12)


def test_each_loss_is_of_its_own_example(regression):
    loc, scale, targets = regression
    losses = metrics.regression_losses(loc, scale, targets)
    for b in range(loc.shape[1]):
        alone = loc[:, b : b + 1], scale[:, b : b + 1], targets[b : b + 1]
        assert of_targets(losses, "crps")[b] == pytest.approx(metrics.crps(*alone), rel=1e-12)
        density = scipy.stats.norm.pdf(alone[2][None], *alone[:2])
        joint = density.reshape(len(loc), -1).prod(axis=-1).mean()
        assert losses["nll"][b] == pytest.approx(-np.log(joint), rel=1e-9)
