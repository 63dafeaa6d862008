"""A stranger's sampler under `check_method`: sound, and with every mistake that it could have."""

import defective_langevin as defective
import numpy as np
import pytest
from my_package.langevin import Langevin

from bnn.diagnostics import Law, Verdict, check_method
from bnn.posteriors import Point

STEP_SIZE = 0.05
CHAIN = {"num_steps": 15_000, "batch_size": 32, "tolerance": 0.02}
SHORT = {"num_steps": 16, "batch_size": 8, "jit_compile": False}


def stationary(regression):
    """Of w ← w − ½ ε Λ (w − m) + √ε ξ: N(m, C), C = A C A + ε I, A = I − ½ ε Λ."""
    precision = regression.precision
    inverse = precision @ (np.eye(len(precision)) - STEP_SIZE * precision / 4)
    return Law(regression.exact().mean, np.linalg.inv(inverse))


def check(kind, *checks, every=8, **arguments):
    arguments = {**CHAIN, **arguments}
    method = kind(step_size=STEP_SIZE, every=every, burn_in=0.02)
    return check_method(
        method, Point(), exact_posterior=False, documented=stationary, checks=checks, **arguments
    )


@pytest.mark.slow
def test_langevin_has_its_stationary_law():
    """All of it on the full batch, discretisation included."""
    report = check(Langevin, "posterior")
    assert report.ok, report
    assert report.num_draws > 1500


@pytest.mark.usefixtures("cheap_runs")
def test_langevin_keeps_to_the_interface_and_goes_on_after_a_kill():
    report = check(Langevin, "interface", "loss", "restore", every=3, **SHORT)
    assert report.ok, report


@pytest.mark.slow
def test_langevin_of_small_steps_has_the_exact_posterior():
    method = Langevin(step_size=5e-3, every=40, burn_in=0.02)
    report = check_method(method, Point(), num_steps=100_000)
    assert report.ok, report


LAW = {
    defective.WithoutRootTwo: ["posterior covariance"],
    defective.TooWarm: ["posterior covariance"],
    defective.DriftWithoutN: ["posterior covariance"],
    defective.PriorByBatch: ["posterior mean", "posterior covariance"],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAW, ids=lambda kind: kind.__name__)
def test_another_law_is_caught(kind):
    arguments = {
        defective.PriorByBatch: {"batch_size": 8},
        defective.DriftWithoutN: {"num_steps": 90_000},  # it moves 32 times as slowly
    }
    report = check(kind, "posterior", **arguments.get(kind, {}))
    failed = [row.name for row in report.rows if row.verdict is Verdict.FAIL]
    assert failed == LAW[kind], report


FEW = {
    defective.OneFunction: ("posterior", "functions differ"),
    defective.PriorByBatch: ("loss", "KL once, over N"),
    defective.SamplesElsewhere: ("restore", "restored functions"),
    defective.CounterElsewhere: ("restore", "continued to the same bits"),
}


@pytest.mark.usefixtures("cheap_runs")
@pytest.mark.parametrize("kind", FEW, ids=lambda kind: kind.__name__)
def test_a_few_steps_show_the_mistake(kind):
    group, name = FEW[kind]
    report = check(kind, group, every=3, num_samples=60, **SHORT)
    assert report[name].verdict is Verdict.FAIL, report
