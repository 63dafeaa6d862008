"""The classroom case: a mean field that prefers a constant line is named, a good fit is not."""

import json

import numpy as np
import pytest

from bnn import metrics
from bnn.report.constants import constant, constant_in_words
from bnn.report.groups import group_runs
from bnn.report.runs import read_runs
from bnn.runs.prediction_file import Predictions, load_predictions


def grouped(*folders):
    return group_runs(read_runs(folders).runs)["toy"]


@pytest.fixture
def write_line(write_run):
    """sin(x) with noise 0.05: the fit, or the constant line that the bound prefers."""

    def write(name, kind, **options):
        folder = write_run(name, make=write_run.regression, **options)
        rng = np.random.default_rng(0)
        x = rng.uniform(-4, 4, 60)
        signal = 0.0 if kind == "noise" else np.sin(x)
        targets = (signal + 0.05 * rng.normal(size=60))[:, None]
        mean = np.sin(x) if kind == "fitted" else np.zeros(60)
        loc = mean[:, None] + 0.01 * rng.normal(size=(6, 60, 1))
        scale = np.full((1, 1, 1), 0.05 if kind == "fitted" else 0.7)
        losses = metrics.regression_losses(loc, scale, targets)
        scores = metrics.regression_scores(loc, np.broadcast_to(scale, loc.shape))
        Predictions("regression", 6, targets, losses, scores, loc=loc, scale=scale).save(
            folder / "predictions" / "test.npz"
        )
        return folder

    return write


def test_a_collapsed_fit_is_named_with_its_numbers(write_line):
    groups = grouped(write_line("a", "collapsed"))
    words = constant(groups[0].first)
    assert words == "RMSE 0.690, standard deviation of the targets 0.685"
    text = constant_in_words(groups)
    assert text.startswith(f"No better than a constant: `VariationalInference, Flipout` ({words}).")
    assert "or the bound of a mean field prefers it" in text
    assert "a tempered bound (`kl_weight` below 1, named as tempered)" in text
    assert "`FullCovarianceNormal`, `LowRankNormal`" in text
    assert "MAP (`Point` posteriors)" in text


def test_beside_a_better_model_there_is_something_to_learn(write_line):
    folders = [write_line("a", "collapsed"), write_line("b", "fitted", estimator="Mean")]
    text = constant_in_words(grouped(*folders))
    assert "`estimator=Flipout` (RMSE" in text
    assert "estimator=Mean" not in text
    assert "Another model here is better, so there is something to learn" in text


def test_a_good_fit_gets_no_word(write_line, write_run):
    assert constant_in_words(grouped(write_line("a", "fitted"))) == ""
    assert constant_in_words(grouped(write_run("b"))) == ""  # classes


def test_on_pure_noise_the_constant_may_be_right(write_line):
    text = constant_in_words(grouped(write_line("a", "noise")))
    assert "Either the inputs say nothing of the targets, and the constant is right, or" in text


def test_the_runs_own_words_stand_in_the_report(write_line):
    """They know from the training data whether there was something to learn."""
    words = "The model predicts no better than a constant: RMSE 1. The constant seems right here."
    folder = write_line("a", "noise")
    results = json.loads((folder / "results.json").read_text())
    for damaged in ([], {"warnings": None}, {"warnings": [3, "another"]}):
        (folder / "results.json").write_text(json.dumps({**results, "ledger": damaged}))
        assert "Either the inputs say nothing" in constant_in_words(grouped(folder))
    results["ledger"] = {"warnings": ["another", words]}
    (folder / "results.json").write_text(json.dumps(results))
    assert constant_in_words(grouped(folder)) == f"`VariationalInference, Flipout`: {words}"
    better = write_line("b", "fitted", estimator="Mean", seed=1)
    assert "Another model here is better" in constant_in_words(grouped(folder, better))


def test_classes_no_better_than_the_most_frequent(write_run):
    folder = write_run("a")
    path = folder / "predictions" / "test.npz"
    kept = load_predictions(path)
    share = np.bincount(kept.targets).max() / 60
    common = np.bincount(kept.targets).argmax()
    log_probs = np.log(np.full((6, 60, 3), 0.3) + 0.1 * (np.arange(3) == common))
    losses = metrics.classification_losses(log_probs, kept.targets)
    Predictions(**{**vars(kept), "log_probs": log_probs, "losses": losses}).save(path)
    [group] = grouped(folder)
    expected = f"error {100 * (1 - share):.1f} %, the most frequent class {100 * (1 - share):.1f} %"
    assert constant(group.first) == expected


def test_what_is_not_known_is_not_said(write_run):
    folder = write_run("a")
    (folder / "predictions" / "test.npz").unlink()
    assert constant(grouped(folder)[0].first) is None
    file = write_run("b", num_samples=1) / "results.json"
    assert json.loads(file.read_text())["num_predict_samples"] == 1
    assert constant(grouped(file.parent)[0].first) is None
