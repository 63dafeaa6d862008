"""`check_method` on bnn's own methods, what it refuses, and the mistakes that it catches."""

import numpy as np
import pytest
import tensorflow as tf

from bnn.diagnostics import ConjugateRegression, Law, Verdict, check_method
from bnn.diagnostics.row_words import in_words
from bnn.estimators import Flipout, Reparameterization
from bnn.methods import MAP, VariationalInference
from bnn.objectives import NegativeELBO
from bnn.posteriors import FullCovarianceNormal, MeanFieldNormal, Point
from bnn.prediction import Draws, StoredWeights

FULL, FACTORISED = FullCovarianceNormal(0.2), MeanFieldNormal(0.2)
TRAINED = {"num_steps": 1500}
SHORT = {"num_steps": 8, "jit_compile": False}


def inference(kind=VariationalInference, **options):
    objective = NegativeELBO(num_samples=4, antithetic=True)
    return kind(Reparameterization(), objective=objective, **options)


def failed(report):
    assert all(in_words(row.name) for row in report.rows)
    return [row.name for row in report.rows if row.verdict is Verdict.FAIL]


def test_inference_with_full_covariance_reaches_the_exact_posterior():
    report = check_method(inference(), FULL, checks=("posterior",), **TRAINED)
    assert report.ok, report
    assert str(report).startswith("VariationalInference · FullCovarianceNormal · linear regression")


def test_inference_by_mean_field_reaches_its_documented_bias():
    report = check_method(
        inference(), FACTORISED, exact_posterior=False, checks=("posterior",), **TRAINED
    )
    assert report.ok, report


def test_map_reaches_the_mode():
    mode = {"exact_posterior": False, "documented": ConjugateRegression.mode, "num_samples": 2}
    report = check_method(MAP(), Point(), checks=("posterior",), **mode, **TRAINED)
    assert report.ok, report
    assert report["posterior mode"].statistic < 1e-2


OWN = {"full": (inference, FULL), "factorised": (inference, FACTORISED), "map": (MAP, Point())}


@pytest.mark.usefixtures("cheap_runs")
def test_inference_keeps_to_the_interface_and_goes_on_after_a_kill():
    method = inference()
    report = check_method(method, FACTORISED, checks=("interface", "loss", "restore"), **SHORT)
    assert report.ok, report
    assert report.num_draws == 0
    assert not hasattr(method, "problem")  # what is given is left alone


@pytest.mark.slow
@pytest.mark.parametrize(("make", "posterior"), OWN.values(), ids=OWN)
def test_compiled_runs_go_on_after_a_kill(make, posterior):
    report = check_method(make(), posterior, checks=("interface", "loss", "restore"))
    assert report.ok, report


@pytest.mark.slow
def test_other_estimators_and_seeds_reach_the_same():
    for seed in (1, 2):
        method = VariationalInference(Flipout(), objective=NegativeELBO(num_samples=4))
        report = check_method(method, FACTORISED, exact_posterior=False, seed=seed)
        assert report.ok, report
        report = check_method(inference(), FULL, seed=seed, num_samples=16_384)
        assert report.ok, report


@pytest.mark.slow
def test_a_mean_field_does_not_pass_for_exact():
    report = check_method(inference(), FACTORISED, checks=("posterior",), **TRAINED)
    assert failed(report) == ["posterior covariance"], report


@pytest.mark.slow
def test_a_kl_that_is_not_divided_by_n_is_seen_in_the_posterior():
    method = inference(kl_weight=32.0)
    report = check_method(method, FULL, checks=("posterior",), **TRAINED)
    assert failed(report) == ["posterior mean", "posterior covariance"], report


class UndividedKL(VariationalInference):
    averaged = ("nll", "acceptance")

    def loss(self, *arguments, **options):
        info = super().loss(*arguments, **options)
        return info._replace(loss=info.metrics["nll"] + info.metrics["kl"])


class KLPerExample(VariationalInference):
    """The metric, that is, while the loss is right, but for the last step."""

    def loss(self, batch, noise, **options):
        info = super().loss(batch, noise, **options)
        loss = info.loss / tf.cast(noise.step < 7, tf.float32)
        return info._replace(loss=loss, metrics={**info.metrics, "kl": info.metrics["kl"] / 32})


class Unweighted(VariationalInference):
    def loss(self, batch, noise, **options):
        return super().loss(batch._replace(weights=None), noise, **options)


class OneDraw(VariationalInference):
    def functions(self, num_samples, seed):
        mean = self.problem.model.trainable_variables[:1]
        return StoredWeights(mean, [tf.repeat(mean[0][tf.newaxis], num_samples, axis=0)])


class Careless(VariationalInference):
    """Its functions are too many and others each time; it takes the model's state for its own."""

    calls = 0

    def functions(self, num_samples, seed):
        self.calls += 1
        return Draws(num_samples + 1, self.calls)

    def predict(self, inputs, num_samples, seed):
        return tf.zeros([num_samples, len(inputs)])

    def describe(self):
        return {"scale": np.float32(1.0)}

    @property
    def variables(self):
        return self.problem.model.variables[:1]


DEFECTS = {
    UndividedKL: ("loss", ["names of metrics", "KL once, over N"]),
    KLPerExample: ("loss", ["finite loss", "KL in nats"]),
    Unweighted: ("loss", ["example weights"]),
    OneDraw: ("posterior", ["functions differ"]),
    Careless: (
        "interface",
        ["describe", "variables", "number of functions", "functions repeat", "predict"],
    ),
}


@pytest.mark.usefixtures("cheap_runs")
@pytest.mark.parametrize("kind", DEFECTS, ids=lambda kind: kind.__name__)
def test_defects_are_caught_by_their_rows_alone(kind):
    check, names = DEFECTS[kind]
    method = kind(Reparameterization())
    report = check_method(method, FACTORISED, checks=(check,), num_samples=60, **SHORT)
    assert failed(report) == names, report


@pytest.mark.usefixtures("cheap_runs")
def test_a_method_may_be_made_and_have_a_law_of_its_own():
    def law(regression):
        return Law(regression.exact().mean + 100.0, np.eye(3))

    report = check_method(
        lambda: VariationalInference(Reparameterization()),
        FACTORISED,
        exact_posterior=False,
        documented=law,
        checks=("posterior",),
        num_samples=100,
        **SHORT,
    )
    assert failed(report) == ["posterior mean", "posterior covariance"]
    assert report.num_draws == 100


UNFIT = {
    "checks": ({"checks": ("posteriors",)}, r"checks must be among .*, got \['posteriors'\]"),
    "steps": ({"num_steps": 3}, "num_steps must be an integer of at least 4, got 3"),
    "samples": ({"num_samples": 1.5}, "num_samples must be an integer of at least 1, got 1.5"),
    "many": ({"num_samples": 10**7}, "num_samples must be at most 1000000, got 10000000"),
    "batch": ({"batch_size": 33}, "batch_size must be at most the 32 examples .*, got 33"),
    "tolerance": ({"tolerance": 0.25}, "tolerance must be at least 0 and below 0.25, got 0.25"),
    "rate": ({"false_alarm_rate": 1.0}, "must lie strictly between 0 and 1, got 1.0; try 1e-7"),
    "method": ({"method": lambda: "map"}, "method must be a bnn.methods.Method, .* got 'map'"),
    "class": ({"method": 3}, "method must be a bnn.methods.Method, .* got 3"),
}


@pytest.mark.parametrize(("arguments", "message"), UNFIT.values(), ids=UNFIT)
def test_unfit_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_method(**{"method": MAP(), "posterior": Point(), **arguments})


def test_a_built_method_is_refused():
    method = MAP()
    method.problem = ConjugateRegression().problem(
        Point(), total_steps=4, seed=0, optimizer=None, jit_compile=False
    )
    with pytest.raises(ValueError, match="must not be built yet, but this MAP is; pass a new one"):
        check_method(method, Point())
