"""The classroom case as runs: sin(x) with a gap, learned noise and priors, mean field, whole KL."""

import functools
import json
import logging

import keras
import numpy as np
import pytest

import bnn
from bnn import experiment
from bnn.data import regression_dataset
from bnn.report.build import build_report
from bnn.schedules import Constant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """runs(kind): the folder of a run of that kind, its results and what it logged; each once."""
    root = tmp_path_factory.mktemp("classroom")

    @functools.cache
    def trained(kind):
        rng = np.random.default_rng(0)
        x = np.sort(rng.uniform(-4, 4, 160))[:, None]
        x = x[np.abs(x[:, 0]) > 1]
        y = (0.0 if kind == "noise" else np.sin(x)) + 0.1 * rng.normal(size=x.shape)
        parts = [(a[::2], a[1::2]) for a in (x, y)]
        prior = bnn.priors.Normal(scale=1.0, trainable=True)
        weight = 0.05 if kind == "tempered" else 1.0
        messages: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: messages.append(record.getMessage())
        logging.getLogger("absl").addHandler(handler)
        try:
            results = experiment.run(
                root / kind,
                data=regression_dataset(kind, *zip(*parts, strict=True)),
                model=functools.partial(
                    bnn.models.mlp, hidden=(50,), activation="relu", kernel_prior=prior
                ),
                likelihood=bnn.likelihoods.Normal(scale=0.3, trainable=True),
                method=bnn.methods.VariationalInference(
                    bnn.estimators.LocalReparameterization(), kl_weight=Constant(weight)
                ),
                optimizer=keras.optimizers.Adam(0.02),
                epochs=2000,
                batch_size=len(parts[0][0]),
                report_every=500,
                jit_compile=False,
            ).results
        finally:
            logging.getLogger("absl").removeHandler(handler)
        return root / kind, results, "\n".join(messages)

    return trained


def test_a_collapsed_run_says_so_in_words_with_numbers(runs):
    _, results, log = runs("collapsed")
    [words] = [w for w in results["ledger"]["warnings"] if "constant" in w]
    assert "predicts no better than a constant: RMSE" in words
    assert "The mean-field bound prefers the constant here" in words
    assert "tempered" in words
    assert words in log


def test_a_fitted_run_gets_no_word(runs):
    _, results, log = runs("tempered")
    assert results["test"]["rmse"] < 0.2
    assert "constant" not in log + json.dumps(results["ledger"]["warnings"])


def test_on_pure_noise_the_constant_is_right(runs):
    _, results, log = runs("noise")
    [words] = [w for w in results["ledger"]["warnings"] if "constant" in w]
    assert "The constant seems right here" in words
    assert words in log


def test_the_report_of_the_three_says_the_same(runs, tmp_path):
    found = {kind: runs(kind) for kind in ("collapsed", "tempered", "noise")}
    build_report([folder for folder, *_ in found.values()], tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text().replace("\\", "")
    assert text.count("predicts no better than a constant") == 2
    for kind in ("collapsed", "noise"):
        [words] = [w for w in found[kind][1]["ledger"]["warnings"] if "constant" in w]
        assert words.partition(";")[0] in text
