"""Numbers, verdicts and names as text."""

import math

import pytest

from bnn.report.bindings import differences, identity, parse_bindings, repetition
from bnn.report.numbers import show_difference, show_estimate, show_interval, show_number
from bnn.report.statistics import Difference, Estimate
from bnn.report.verdicts import verdict

UP, DOWN, NONE = (Difference(m, m - 1, m + 1, 5, 0.5) for m in (2.0, -2.0, 0.5))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.1235"),
        (12.345, "12.35"),
        (-3.0, "−3.000"),
        (123456.7, "123457"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.00001234, "1.234e-05"),
        (0.0004, "0.0004000"),
        (9.99996, "10.00"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers(value, text):
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("estimate", "factor", "text"),
    [
        (Estimate(0.118512, 0.00213, 3), 1.0, "0.1185 ± 0.0021"),
        (Estimate(0.0166, 0.0031, 3), 100.0, "1.66 ± 0.31"),
        (Estimate(-2.4561, 0.0523, 20), 1.0, "−2.456 ± 0.052"),
        (Estimate(2.4561, 0.0523, 20), -1.0, "−2.456 ± 0.052"),
        (Estimate(153.2, 12.4, 20), 1.0, "153 ± 12"),
        (Estimate(0.5, None, 1), 1.0, "0.5000"),
        (Estimate(0.5, 0.0, 2), 1.0, "0.5000 ± 0"),
        (Estimate(math.nan, None, 0), 1.0, "–"),
        (Estimate(math.inf, math.nan, 2), 1.0, "∞"),
    ],
)
def test_estimates(estimate, factor, text):
    assert show_estimate(estimate, factor) == text


def test_differences_and_intervals():
    difference = Difference(-0.0123, -0.0251, 0.0005, 10)
    assert show_difference(difference) == "−0.012"
    assert show_interval(difference) == "−0.025 to 0.001"
    assert show_difference(Difference(0.004, -0.001, 0.0095, 10), 100.0) == "+0.4"
    # Nothing but zero is shown as zero: an end of an interval would contradict the verdict.
    assert show_interval(Difference(0.1, 0.0004, 0.25, 10)) == "0.00040 to 0.25"
    assert show_difference(Difference(0.00012, -0.3, 0.3, 10)) == "+0.00012"
    assert show_interval(Difference(2e-6, 1e-6, 3e-6, 10)) == "1.000e-06 to 3.000e-06"
    assert show_estimate(Estimate(0.0004, 0.03, 3)) == "0.00040 ± 0.030"
    assert show_estimate(Estimate(3e-7, 1e-8, 3)) == "3.000e-07 ± 1.0e-08"
    assert show_interval(Difference(0.0, math.nan, math.nan, 3)) == "–"
    assert show_interval(Difference(0.25, 0.25, 0.25, 3)) == "0.2500 to 0.2500"


VERDICTS = [
    (UP, UP, "worse: over test examples and over 5 seeds"),
    (DOWN, DOWN, "better: over test examples and over 5 seeds"),
    (DOWN, NONE, "better for these trained models, not shown to last over 5 seeds"),
    (NONE, UP, "worse over 5 seeds, within the chance of this test set"),
    (NONE, NONE, "no difference shown"),
    (UP, DOWN, "undecided: test examples and seeds disagree"),
    (DOWN, None, "better in this pair of runs; it says nothing of other seeds"),
    (NONE, None, "no difference shown; one pair of runs says nothing of other seeds"),
    (None, UP, "worse over 5 seeds"),
    (None, NONE, "no difference over 5 seeds"),
    (None, None, "not compared"),
]


@pytest.mark.parametrize(("examples", "runs", "words"), VERDICTS)
def test_verdicts(examples, runs, words):
    assert verdict(examples, runs, "seeds") == words


CONFIG = """import bnn.experiment

# Parameters for run:
# ====
run.data = @uci()
run.optimizer = \\
    @keras.optimizers.Adam()
run.seed = 3
run.tracker = @WandB()
mlp.hidden = (200,
              200)
uci.split = 4
uci.data_dir = '/somewhere'
WandB.project = 'x'
train/Constant.value = 0.1
"""


def test_bindings_are_read_whole():
    bindings = parse_bindings(CONFIG)
    assert bindings["run.optimizer"] == "@keras.optimizers.Adam()"
    assert bindings["mlp.hidden"] == "(200, 200)"
    assert bindings["train/Constant.value"] == "0.1"
    assert len(bindings) == 9


def test_seed_and_split_repeat_and_the_rest_but_trackers_and_paths_is_the_experiment():
    bindings = parse_bindings(CONFIG)
    assert dict(repetition(bindings)) == {"run.seed": "3", "uci.split": "4"}
    assert set(dict(identity(bindings))) == {
        "run.data",
        "run.optimizer",
        "mlp.hidden",
        "train/Constant.value",
    }


def test_names_are_what_differs():
    same = {"run.epochs": "10"}
    assert differences([same]) == [""]
    assert differences([same, same]) == ["", ""]
    assert differences(
        [
            {**same, "run.estimator": "@Flipout()", "kl/LinearWarmup.value": "1.0"},
            {**same, "run.estimator": "@bnn.estimators.Mean()", "kl/LinearWarmup.value": "0.1"},
        ]
    ) == ["LinearWarmup.value=1.0, estimator=Flipout", "LinearWarmup.value=0.1, estimator=Mean"]
    assert differences([{"uci.name": "'a b'"}, {"uci.name": "'c'"}]) == [
        "uci.name=a b",
        "uci.name=c",
    ]


def test_parts_of_a_choice_do_not_lengthen_names():
    """What only one of them has is not named where the choice itself tells them apart."""
    normal = {"run.likelihood": "@Normal()", "Normal.scale": "1.0"}
    other = {"run.likelihood": "@Heteroscedastic()", "Heteroscedastic.min_scale": "0.001"}
    assert differences([normal, other]) == ["likelihood=Normal", "likelihood=Heteroscedastic"]
    wide = {**normal, "Normal.scale": "2.0"}
    assert differences([normal, wide, other]) == [
        "Normal.scale=1.0, likelihood=Normal",
        "Normal.scale=2.0, likelihood=Normal",
        "likelihood=Heteroscedastic",
    ]


def test_what_no_two_of_them_have_otherwise_is_part_of_another_choice():
    """Two of one method with another weight, and a method that has none of its bindings."""
    whole = {"run.method": "@VI()", "VI.estimator": "@Flipout()", "kl/LinearWarmup.value": "1.0"}
    tempered = {**whole, "kl/LinearWarmup.value": "0.1"}
    assert differences([whole, tempered, {"run.method": "@MAP()"}]) == [
        "LinearWarmup.value=1.0, method=VI",
        "LinearWarmup.value=0.1, method=VI",
        "method=MAP",
    ]
