"""Reports of every task that has an evaluation: the metrics, losses and scores that it makes."""

import numpy as np
import pytest
import tensorflow as tf

from bnn import likelihoods
from bnn.evaluation.blocks import judged
from bnn.evaluation.evaluation import TASKS as EVALUATIONS
from bnn.evaluation.evaluation import evaluation_of, under
from bnn.report.build import build_report
from bnn.report.tasks import TASKS, task_of
from bnn.runs.prediction_file import Predictions

S, B = 5, 40


def counts(rng):
    return likelihoods.Poisson(), rng.normal(size=(S, B, 1)), rng.poisson(2.0, (B, 1))


def multilabel(rng):
    return likelihoods.Bernoulli(), rng.normal(size=(S, B, 2)), rng.integers(0, 2, (B, 2))


def survival(rng):
    times = np.stack([rng.exponential(size=B), rng.integers(0, 2, B)], axis=1)
    return likelihoods.Weibull(trainable=False), rng.normal(size=(S, B, 1)), times


def heads(rng):
    parts = {"kind": likelihoods.Categorical(), "number": likelihoods.Poisson()}
    outputs = {"kind": rng.normal(size=(S, B, 3)), "number": rng.normal(size=(S, B, 1))}
    targets = {"kind": rng.integers(0, 3, B), "number": rng.poisson(2.0, (B, 1))}
    return likelihoods.Heads(parts), outputs, targets


# The table that each must have, beside likelihoods and calibration.
CASES = {
    counts: ["log-likelihood, nats", "RMSE", "CRPS", "coverage of 95 %, %"],
    multilabel: ["every label right, %", "error, %, target_0", "Brier, target_1", "ECE, target_0"],
    survival: ["log-likelihood, nats", "CRPS", "concordance", "events, %"],
    heads: ["NLL, nats", "error, %, kind", "ECE, kind", "RMSE, number", "CRPS, number"],
}


@pytest.fixture
def write(write_run):
    """write(name, make, factor): the folder of a run of a task, as its evaluation has it."""

    def write(name, make, factor):
        likelihood, outputs, targets = make(np.random.default_rng(0))
        outputs = tf.nest.map_structure(lambda o: tf.constant(factor * o, tf.float32), outputs)
        test = judged(likelihood, outputs, targets, None)

        def made(*args):
            losses, scores = (under(kind, test.examples) for kind in ("loss/", "score/"))
            return Predictions(likelihood.task, S, test.examples["targets"], losses, scores)

        found = evaluation_of(likelihood).metrics(test.examples)
        changes = {"task": likelihood.task}
        options = {"num_samples": S, "test": found, "changes": changes}
        return write_run(name, make=made, estimator=name, **options)

    return write


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_report_shows_what_the_evaluation_makes(write, tmp_path, make):
    folders = [write("Flipout", make, 1.0), write("Mean", make, 0.5)]
    said = []
    build_report(folders, tmp_path / "out", say=said.append)
    text = (tmp_path / "out" / "report.md").read_text()
    for heading in CASES[make]:
        assert f"| {heading} |" in text.replace("\\_", "_")
    assert "Paired comparisons" in text
    assert not [line for line in said if "left out" in line or "damaged" in line]


def test_every_evaluation_has_an_entry_or_is_made_of_others():
    assert set(EVALUATIONS) - {"heads", "positions"} == set(TASKS)


def test_a_task_from_elsewhere_shows_its_own_metrics():
    shown = task_of("ranking", {"nll": 1.0, "log_likelihood": -1.0, "rmse": 2.0, "regret": 0.1})
    assert [column.heading for column in shown.quality] == ["NLL, nats", "RMSE", "regret"]
    assert shown.quality[2].distance is None  # nobody knows which end is better
    assert [loss.metric for loss in shown.losses] == ["nll"]


def test_augmentation_is_said_with_the_number_that_divides_the_kl(write_run, tmp_path):
    folders = [
        write_run("plain", estimator="Mean"),
        write_run("augmented", changes={"augmentation": ["Flip", "Crop"]}),
        write_run("damaged", seed=1, changes={"augmentation": "Flip"}),
    ]
    said = []
    build_report(folders, tmp_path / "out", say=said.append)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "went through Flip, Crop with N = 540: the KL is divided by the number that" in text
    assert [line for line in said if "augmentation must be a list of texts" in line]
    build_report(folders[:1], tmp_path / "other")
    assert "went through" not in (tmp_path / "other" / "report.md").read_text()
