"""What is left of a fitted network when weights that say little are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn.posteriors import MeanFieldNormal
from bnn.sites import sites
from experiments.records import recorded
from experiments.trained import Run, log_probs, restore, scores

FILENAME = "pruning.json"
SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
# Edges of the histogram of the signal-to-noise ratio, in dB: 20 log₁₀ |μ|/σ.
SNR_EDGES = np.linspace(-60.0, 40.0, 51)
# The standard deviation of a removed weight: none to speak of.
_REMOVED_SCALE = 1e-9


def pruning_curve(
    folder: Path,
    num_samples: int,
    shares: tuple[float, ...] = SHARES,
    num_images: int | None = None,
) -> dict[str, Any]:
    """Test error and NLL by the share of weights removed; what is there is read.

    Weights and biases are sorted by their signal-to-noise ratio |μ|/σ, all layers together, and
    the lowest are set to 0 with certainty: μ = 0, σ → 0 (Blundell et al. 2015, section 5.3; Graves
    2011). Fixed weights, which have no σ, are sorted by |μ|. Nothing is trained again.

    Args:
      folder: of a run that has ended.
      num_samples: S, weight samples of every prediction; 1 of fixed weights.
      shares: to remove, ascending from 0.
      num_images: evaluate only the first ones; all where None.

    Returns:
      `curve`: a row of share, error and nll each; `snr`: share of weights by dB, where there are
      random ones; and what was asked.

    Raises:
      ValueError: the numbers that are there are of other sizes.
    """
    asked = {"num_samples": num_samples, "shares": list(shares), "num_images": num_images}
    return recorded(
        folder / FILENAME, asked, lambda: _prune(folder, num_samples, shares, num_images)
    )


def _prune(
    folder: Path, num_samples: int, shares: tuple[float, ...], num_images: int | None
) -> dict[str, Any]:
    run = restore(folder)
    means, scales = _moments(run)
    ratio = np.abs(means) if scales is None else np.abs(means) / scales
    order = np.argsort(ratio, kind="stable")
    curve = []
    for share in shares:
        removed = np.zeros(len(order), bool)
        removed[order[: round(share * len(order))]] = True
        _remove(run, removed)
        found = log_probs(run, run.data.x_test[:num_images], num_samples)
        values = scores(found, run.data.y_test[:num_images], ("error", "nll"))
        curve.append({"share": share, **values})
    result: dict[str, Any] = {"num_weights": len(order), "curve": curve}
    if scales is not None:
        decibel = 20 * np.log10(np.maximum(ratio, 1e-6))
        counts, _ = np.histogram(np.clip(decibel, SNR_EDGES[0], SNR_EDGES[-1]), SNR_EDGES)
        result["snr"] = (counts / len(order)).tolist()
    return result


def _moments(run: Run) -> tuple[np.ndarray, np.ndarray | None]:
    """μ and σ of all weights, one after another; no σ of fixed ones."""
    posteriors = [site.posterior for site in sites(run.problem.model).values()]
    means = np.concatenate([p.mean.numpy().ravel() for p in posteriors])
    if all(p.deterministic for p in posteriors):
        return means, None
    return means, np.concatenate([np.sqrt(p.variance.numpy()).ravel() for p in posteriors])


def _remove(run: Run, removed: np.ndarray) -> None:
    """Sets the chosen weights to 0 with certainty, for good."""
    begin = 0
    for layer in run.problem.model.layers:
        variables = {variable.name: variable for variable in layer.weights}
        for site in getattr(layer, "sites", ()):
            loc = variables[f"{site.name}_loc"]
            size = int(np.prod(loc.shape))
            chosen = removed[begin : begin + size].reshape(loc.shape)
            begin += size
            loc.assign(np.where(chosen, 0.0, loc.numpy()))
            if isinstance(site.posterior, MeanFieldNormal):
                scale = variables[f"{site.name}_unconstrained_scale"]
                none = site.posterior.scale_transform.inverse(_REMOVED_SCALE)
                scale.assign(np.where(chosen, none, scale.numpy()))
    if begin != len(removed):
        raise ValueError(f"removed must have one entry per weight, {begin}, got {len(removed)}.")
