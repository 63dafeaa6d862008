import math
from fractions import Fraction

import numpy as np
import pytest

from bnn.training import Plan


def plans(count):
    """Plans of all sizes: whole and decimal epochs, reports more and less often than once each."""
    random = np.random.RandomState(0)
    for _ in range(count):
        num_train = int(10 ** random.uniform(0, 5))
        batch_size = random.randint(1, num_train + 1)
        epochs = random.choice([random.randint(1, 50), random.randint(1, 3000) / 100])
        report_every = random.choice([1, 10, random.randint(1, 500) / 100])
        yield Plan(num_train, int(batch_size), float(epochs), float(report_every))


def test_every_example_is_seen_epochs_times_and_no_step_more():
    for plan in plans(2000):
        exact = Fraction(str(plan.epochs)) * plan.num_train / plan.batch_size
        assert plan.total_steps == math.ceil(exact), plan
        assert plan.epoch(plan.total_steps) >= plan.epochs * (1 - 1e-12)
        assert plan.epoch(plan.total_steps - 1) < plan.epochs


def test_epochs_from_a_number_of_steps_give_that_number():
    random = np.random.RandomState(1)
    for _ in range(5000):
        num_train = int(10 ** random.uniform(0, 6))
        batch_size, steps = random.randint(1, num_train + 1), random.randint(1, 1000)
        assert Plan(num_train, batch_size, steps * batch_size / num_train, 1).total_steps == steps


def test_rounding_errors_cost_no_step():
    assert 0.07 * 100 > 7
    assert Plan(100, 1, 0.07, 1).total_steps == 7


def test_report_steps_rise_to_the_end_at_every_multiple():
    for plan in plans(2000):
        steps = plan.report_steps
        assert steps == sorted(set(steps))
        assert steps[0] >= 1
        assert steps[-1] == plan.total_steps
        most = math.ceil(Fraction(str(plan.epochs)) / Fraction(str(plan.report_every)))
        assert len(steps) <= most
        for number, step in enumerate(steps[:-1], start=1):
            if len(steps) == most:  # none fell together
                due = number * plan.report_every * plan.num_train / plan.batch_size
                assert abs(step - due) <= 0.5 or step == 1


def test_longest_interval():
    assert Plan(100, 10, 3, 1).longest_interval == 10
    assert Plan(1437, 64, 300, 10).longest_interval == 225
    assert Plan(100, 10, 3, 2).longest_interval == 20  # the first one; the last has 10 steps
    assert Plan(100, 10, 3, 100).longest_interval == 30
    for plan in plans(200):
        ends = np.array([0, *plan.report_steps])
        assert plan.longest_interval == np.diff(ends).max()


def test_report_steps_of_known_plans():
    assert Plan(1437, 64, 300, 10).report_steps[:3] == [225, 449, 674]
    assert Plan(100, 10, 3, 1).report_steps == [10, 20, 30]
    assert Plan(100, 10, 3, 2).report_steps == [20, 30]
    assert Plan(100, 10, 3, 100).report_steps == [30]
    assert Plan(100, 100, 2, 0.1).report_steps == [1, 2]
    assert Plan(52, 5, 0.9, 0.3).report_steps == [3, 6, 10]  # 0.9 / 0.3 > 3 in floating point


def test_epochs_count_examples():
    plan = Plan(10, 4, 2, 1)
    assert plan.total_steps == 5
    assert plan.epoch(5) == 2.0
    assert plan.epoch(1) == 0.4


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_unfit_batch_size(batch_size):
    with pytest.raises(
        ValueError,
        match=rf"batch_size must be from 1 to the number of training .*, 10, got {batch_size}",
    ):
        Plan(10, batch_size, 1, 1)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["epochs", "report_every"])
def test_unfit_lengths(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a positive number, got {value}"):
        Plan(**{"num_train": 10, "batch_size": 2, "epochs": 1, "report_every": 1, name: value})
