"""Metrics of real-valued targets, in their own units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Evaluation, Examples, register
from bnn.likelihoods import Likelihood, NormalRegression
from bnn.metrics.quantile_calibration import transform_calibration_error


class RegressionEvaluation(Evaluation):
    """Proper scores, calibration and the split of the variance, in the target's own units.

    nll, log_likelihood (nats per example), rmse, crps, coverage_50 and coverage_95 of the central
    intervals, quantile_calibration_error (a fraction), sharpness, aleatoric_std and epistemic_std.
    Of several targets the likelihood is joint, and everything else is of each, `rmse/<target>`:
    their units have no mean.
    """

    task = "regression"

    def samples(
        self, likelihood: Likelihood, outputs: tf.Tensor, data: Dataset | None
    ) -> dict[str, np.ndarray]:
        """`loc` and `scale` of each sample's normal, `[S, B, D]`."""
        if not isinstance(likelihood, NormalRegression):
            raise ValueError(
                f"likelihood must be a normal regression or a classification, got "
                f"{type(likelihood).__name__}; subclass bnn.likelihoods.NormalRegression."
            )
        assert data is not None
        loc, scale = likelihood.components(outputs, data.target_loc, data.target_scale)
        loc = loc.numpy()
        return {"loc": loc, "scale": np.broadcast_to(scale.numpy(), loc.shape)}

    def examples(
        self, samples: Mapping[str, np.ndarray], targets: np.ndarray | None, data: Dataset | None
    ) -> Examples:
        """Means, variances, PIT values, losses and scores."""
        loc, scale = samples["loc"], samples["scale"]
        variance = metrics.predictive_variance(loc, scale)
        found = {
            "mean": loc.mean(axis=0),
            "aleatoric": variance.aleatoric,
            "epistemic": variance.epistemic,
            "band": np.moveaxis(metrics.quantile(loc[..., 0], scale[..., 0], [0.025, 0.975]), 0, 1),
        }
        names = getattr(data, "target_names", None)
        scores = metrics.regression_scores(loc, scale, names)
        found |= {f"score/{name}": values for name, values in scores.items()}
        if targets is None:
            return found
        assert data is not None
        own = data.to_own_units(targets)
        losses = metrics.regression_losses(loc, scale, own, names)
        found |= {f"loss/{name}": values for name, values in losses.items()}
        return found | {"targets": own, "pit": metrics.mixture_cdf(loc, scale, own)}

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        nll, pit = float(np.mean(examples["loss/nll"])), examples["pit"]
        parts = {"aleatoric_std": examples["aleatoric"], "epistemic_std": examples["epistemic"]}
        parts["sharpness"] = parts["aleatoric_std"] + parts["epistemic_std"]
        found = {"nll": nll, "log_likelihood": -nll}
        for d, target in enumerate(_targets(examples)):
            found[f"rmse{target}"] = _rmse(examples, target)
            found[f"crps{target}"] = float(np.mean(examples[f"loss/crps{target}"]))
            found[f"coverage_50{target}"] = _coverage(pit[:, d], 0.5)
            found[f"coverage_95{target}"] = _coverage(pit[:, d], 0.95)
            error = transform_calibration_error(pit[:, d : d + 1])
            found[f"quantile_calibration_error{target}"] = error
            for name, variance in parts.items():
                found[f"{name}{target}"] = float(np.sqrt(np.mean(variance[:, d])))
        return found

    def headline(self, examples: Examples) -> dict[str, float]:
        """NLL and RMSE."""
        rmse = {f"rmse{target}": _rmse(examples, target) for target in _targets(examples)}
        return {"nll": float(np.mean(examples["loss/nll"])), **rmse}

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """Central 95 % of the first target: over x where x is one number, else by prediction."""
        path = folder / "predictive_band.png"
        targets, mean = examples["targets"][:, 0], examples["mean"][:, 0]
        lower, upper = examples["band"].T
        if data.input_shape == (1,):
            figures.predictive_band(data.x_test[:, 0], targets, mean, lower, upper, path)
        else:
            figures.predictive_intervals(targets, mean, lower, upper, path)
        return {"predictive_band": path}


def _targets(examples: Examples) -> list[str]:
    """What the names of the targets' losses end in: nothing of one target, else "/<target>"."""
    prefix = "loss/squared_error"
    return [name.removeprefix(prefix) for name in examples if name.startswith(prefix)]


def _rmse(examples: Examples, target: str) -> float:
    return float(np.sqrt(np.mean(examples[f"loss/squared_error{target}"])))


def _coverage(pit: np.ndarray, level: float) -> float:
    inside = (pit >= (1.0 - level) / 2.0) & (pit <= (1.0 + level) / 2.0)
    return float(np.mean(inside))


register(RegressionEvaluation())
