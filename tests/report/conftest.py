"""Finished runs as folders, without training."""

import json

import numpy as np
import pytest
from scipy.special import log_softmax

from bnn import metrics
from bnn.report import sections
from bnn.runs.prediction_file import Predictions

CONFIG = """import bnn.experiment

# Parameters for run:
# ==============================================================================
run.data = @toy()
run.estimator = @{estimator}()
run.num_predict_samples = {num_samples}
run.seed = {seed}
run.tracker = @WandB()

# Parameters for toy:
# ==============================================================================
toy.data_dir = {data_dir!r}
toy.split = {split}

# Parameters for kl/LinearWarmup:
# ==============================================================================
kl/LinearWarmup.value = {kl_weight}
"""


def classification(rng, quality=2.0, num_samples=6, size=60, labels_seed=7):
    """Predictions of three classes; the labels depend on `labels_seed` alone."""
    labels = np.random.default_rng(labels_seed).integers(0, 3, size).astype(np.int32)
    logits = 1.2 * rng.normal(size=(num_samples, size, 3)) + rng.normal(size=(size, 3))
    log_probs = log_softmax(logits + quality * np.eye(3)[labels], axis=-1).astype(np.float32)
    return Predictions(
        task="classification",
        num_samples=num_samples,
        targets=labels,
        losses=metrics.classification_losses(log_probs, labels),
        scores=metrics.uncertainty_scores(log_probs),
        log_probs=log_probs,
    )


def regression(rng, quality=2.0, num_samples=6, size=60, labels_seed=7):
    """Predictions over one input; inputs and targets depend on `labels_seed` alone."""
    fixed = np.random.default_rng(labels_seed)
    x = fixed.uniform(-2, 2, size)
    targets = (100 + 10 * np.sin(x) + 3 * fixed.normal(size=size))[:, None]
    loc = 100 + 10 * np.sin(x)[:, None] + 3 / quality * rng.normal(size=(num_samples, size, 1))
    loc, scale = loc.astype(np.float32), np.full((1, 1, 1), 3.0, np.float32)
    std = np.sqrt(metrics.predictive_variance(loc, scale).total[:, 0])
    return Predictions(
        task="regression",
        num_samples=num_samples,
        targets=targets,
        losses=metrics.regression_losses(loc, scale, targets),
        scores={"predictive_std": std},
        loc=loc,
        scale=scale,
        inputs=x,
    )


def test_metrics(predictions):
    losses = {name: float(values.mean()) for name, values in predictions.losses.items()}
    if predictions.task == "classification":
        ece = metrics.ece(predictions.log_probs, predictions.targets)
        return {**losses, "accuracy": 1 - losses["error"], "ece": ece}
    return {
        "nll": losses["nll"],
        "log_likelihood": -losses["nll"],
        "rmse": losses["squared_error"] ** 0.5,
        "crps": losses["crps"],
    }


test_metrics.__test__ = False


@pytest.fixture
def write_run(tmp_path):
    """write_run(name, …): the folder of a finished run with predictions made up from its seed."""

    def write(
        name,
        *,
        make=classification,
        data="toy",
        estimator="Flipout",
        seed=0,
        split=0,
        kl_weight=1.0,
        num_samples=6,
        quality=2.0,
        size=60,
        labels_seed=None,
        data_dir="/data",
        out_of_distribution=(),
        changes=None,
        test=None,
    ):
        folder = tmp_path / name
        (folder / "predictions").mkdir(parents=True)
        rng = np.random.default_rng([seed, split, len(estimator)])
        labels_seed = split if labels_seed is None else labels_seed
        made = make(rng, quality, num_samples, size, labels_seed)
        made.save(folder / "predictions" / "test.npz")
        for other in out_of_distribution:
            strange = classification(rng, 0.0, num_samples, 40)
            kept = Predictions(**{**vars(strange), "losses": {}, "targets": np.zeros(0, np.int32)})
            kept.save(folder / "predictions" / "out_of_distribution" / f"{other}.npz")
        config = CONFIG.format(
            estimator=estimator,
            num_samples=num_samples,
            seed=seed,
            split=split,
            kl_weight=kl_weight,
            data_dir=data_dir,
        )
        (folder / "config.gin").write_text(config)
        results = {
            "data": data,
            "test": test_metrics(made) if test is None else test,
            "num_predict_samples": num_samples,
            "method": "VariationalInference",
            "kl_weight": kl_weight,
            "posterior": "whole KL" if kl_weight == 1 else f"tempered, KL x {kl_weight:g}",
            "estimator": estimator,
            "num_train": 540,
            "num_test": size,
            "seed": seed,
            "seconds": {"train": 1.5},
            "date": "2026-01-02T03:04:05+00:00",
            "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
            "git_revision": "abc123",
            "ledger": {
                "sites": [
                    {"name": "0_dense/kernel", "size": 30, "kl": 12.5, "median_snr": 0.7},
                    {"name": "0_dense/bias", "size": 3, "kl": 0.5, "median_snr": 3.0},
                ]
            },
            **(changes or {}),
        }
        (folder / "results.json").write_text(json.dumps(results))
        lines = [
            {"step": s, "epoch": s / 10, "nll": 1 / s + 0.01 * seed, "kl": 2.0 * s, "accuracy": 0.5}
            for s in (10, 20, 30)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    write.regression = regression
    return write


@pytest.fixture
def no_figures(monkeypatch):
    """Reports without their figures, which take seconds, for tests of what is written."""
    monkeypatch.setattr(sections, "joint_figures", lambda *args: [])
    monkeypatch.setattr(sections, "group_figures", lambda *args: [])
