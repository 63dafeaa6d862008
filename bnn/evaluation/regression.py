"""Metrics of real-valued targets, in their own units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.evaluation.evaluation import Block, Evaluation, Examples, named, register
from bnn.evaluation.predictives import mixture_examples, own_inputs, own_units, units
from bnn.formatting import with_unit
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

    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """Means, variances, PIT values, losses and scores; of normals `loc` and `scale`, too."""
        own = None if targets is None else own_units(targets, scaling)
        if isinstance(likelihood, NormalRegression):
            return _normal_block(likelihood, outputs, own, scaling)
        return Block({}, mixture_examples(likelihood, outputs, own, scaling, brief))

    def transform(self, examples: Examples) -> np.ndarray:
        """The predictive CDF at the targets, `[B, D]`: uniform where the model is calibrated."""
        return examples["pit"]

    def metrics(self, examples: Examples) -> dict[str, float]:
        """As the class says."""
        nll, pit = float(np.mean(examples["loss/nll"])), self.transform(examples)
        parts = {"aleatoric_std": examples["aleatoric"], "epistemic_std": examples["epistemic"]}
        parts["sharpness"] = parts["aleatoric_std"] + parts["epistemic_std"]
        found = {"nll": nll, "log_likelihood": -nll}
        for d, target in enumerate(_targets(examples)):
            found[f"rmse{target}"] = _rmse(examples, target)
            found[f"crps{target}"] = float(np.mean(examples[f"loss/crps{target}"]))
            found[f"coverage_50{target}"] = _coverage(pit[:, d], 0.5)
            found[f"coverage_95{target}"] = _coverage(pit[:, d], 0.95)
            error = float(np.mean(transform_calibration_error(pit[:, d : d + 1])))
            found[f"quantile_calibration_error{target}"] = error
            for name, variance in parts.items():
                found[f"{name}{target}"] = float(np.sqrt(np.mean(variance[:, d])))
        return found

    def headline(self, examples: Examples) -> dict[str, float]:
        """NLL and RMSE."""
        rmse = {f"rmse{target}": _rmse(examples, target) for target in _targets(examples)}
        return {"nll": float(np.mean(examples["loss/nll"])), **rmse}

    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """Central 95 % of the first targets: over x where x is one number, else by prediction.

        The others, of more than `figures.MAX_TARGETS`, are named.
        """
        path, most = folder / "predictive_band.png", figures.MAX_TARGETS
        targets, mean = examples["targets"][:, :most], examples["mean"][:, :most]
        lower, upper = np.moveaxis(examples["band"], -1, 0)
        labels = _labels(examples, data, self.target)
        shown: dict[str, Any] = {"path": path, "not_drawn": labels[most:]}
        if data.input_shape == (1,) and len(data.x_test) == len(targets):
            x = own_inputs(data)
            figures.predictive_band(x, targets, mean, lower, upper, y_label=labels[:most], **shown)
        else:
            figures.predictive_intervals(targets, mean, lower, upper, label=labels[:most], **shown)
        return {"predictive_band": path}


def _normal_block(
    likelihood: NormalRegression, outputs: Any, own: np.ndarray | None, scaling: Any
) -> Block:
    """Of mixtures of normals, whose score has a closed form."""
    loc, scale = (part.numpy() for part in likelihood.components(outputs, **units(scaling)))
    scale = np.broadcast_to(scale, loc.shape)
    names = getattr(scaling, "names", None)
    some = (..., slice(figures.MAX_TARGETS))
    variance = metrics.predictive_variance(loc, scale)
    found = {
        "mean": loc.mean(axis=0),
        "aleatoric": variance.aleatoric,
        "epistemic": variance.epistemic,
        "band": np.moveaxis(metrics.quantile(loc[some], scale[some], [0.025, 0.975]), 0, -1),
        **named("score/", metrics.regression_scores(loc, scale, names)),
    }
    if own is not None:
        found |= named("loss/", metrics.regression_losses(loc, scale, own, names))
        found |= {"targets": own, "pit": metrics.mixture_cdf(loc, scale, own)}
    return Block({"loc": loc, "scale": scale}, found)


def _labels(examples: Examples, data: Dataset, head: str) -> list[str]:
    """Name and unit of every target, as far as they are known; of the head's, where it is one."""
    names = [target.removeprefix("/") for target in _targets(examples)]
    if len(names) == 1:
        names = [data.target_names[0] if data.target_names else head or "Target"]
    units = data.target_units or {}
    return [with_unit(name, units.get(name, "")) for name in names]


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
