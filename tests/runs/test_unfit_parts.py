"""Parts that do not fit together are refused before anything is written."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import bnn
from bnn.compat import add_float32_weight
from bnn.data import Dataset
from bnn.experiment import run
from bnn.methods import MAP, GradientNoiseProbe, VariationalInference
from bnn.runs.folder import FolderInUseError
from bnn.tracking import WandB
from tests.runs.toy_runs import arguments, classes, values


class Skewed(bnn.posteriors.Posterior):
    """Independent exponential elements about a mean: not symmetric, not normal."""

    factorized = True

    def _build(self, layer, name, initializer, regularizer, constraint):
        self._loc = add_float32_weight(
            layer, f"{name}_loc", shape=self.shape, initializer=initializer
        )

    @property
    def mean(self):
        return tf.convert_to_tensor(self._loc) + 1.0

    def distribution(self):
        base = tfd.Exponential(tf.ones(self.shape))
        return tfb.Shift(tf.convert_to_tensor(self._loc))(base)

    @property
    def variance(self):
        return tf.ones(self.shape)

    def perturbation(self, noise):
        return -tf.math.log(noise.uniform(self.shape)) - 1.0

    def get_config(self):
        return {}


def skewed(input_shape, num_outputs):
    dense = bnn.layers.Dense(num_outputs, use_bias=False, kernel_posterior=Skewed())
    return keras.Sequential([keras.Input(input_shape), dense])


UNFIT = {
    "not_data": ({"data": classes}, r"data must be a Dataset object, got <function"),
    "not_a_likelihood": ({"likelihood": None}, "likelihood must be a Likelihood object, got None"),
    "not_an_optimizer": ({"optimizer": "adam"}, "optimizer must be a.* object, got 'adam'"),
    "not_a_method": ({"method": "VI"}, "method must be a Method object, got 'VI'"),
    "not_a_schedule": (
        {"learning_rate": 1e-3},
        "learning_rate must be a Schedule object, got 0.001; in gin write for example "
        r"run.learning_rate = @learning_rate/Constant\(\)",
    ),
    "not_a_probe": ({"probe": True}, "probe must be a GradientNoiseProbe object, got True"),
    "not_a_tracker": ({"tracker": "wandb"}, "tracker must be a Tracker object, got 'wandb'"),
    "not_all_trackers": ({"tracker": [WandB]}, "tracker must be a Tracker object, got <class"),
    "a_tracker_twice": ({"tracker": [WandB(), WandB()]}, "tracker must hold at most one WandB"),
    "flipout": (
        {"method": VariationalInference(bnn.estimators.Flipout()), "model": skewed},
        "estimator Flipout cannot serve the posterior Skewed: it needs a posterior whose elements "
        "are independent and symmetric about the mean, or .*Estimators that can: .*Mean.*"
        "Reparameterization.*ScoreFunction",
    ),
    "local": (
        {
            "method": VariationalInference(bnn.estimators.LocalReparameterization()),
            "model": skewed,
        },
        "estimator LocalReparameterization cannot serve the posterior Skewed: it needs a posterior "
        "whose elements are independent and normal, or .*Estimators that can: .*Reparameterization",
    ),
    "regression_data": (
        {"data": values()},
        "likelihood Categorical is for classification, but data set 'toy values' is for "
        "regression; use bnn.likelihoods.Normal or HeteroscedasticNormal",
    ),
    "class_data": (
        {"likelihood": bnn.likelihoods.Normal()},
        "likelihood Normal is for regression, but data set 'toy' is for classification; use "
        "bnn.likelihoods.Categorical",
    ),
    "no_samples": (
        {"num_predict_samples": 0},
        "num_predict_samples must be an integer of at least 1, got 0; .* 32 is a good start",
    ),
    "half_a_sample": ({"num_predict_samples": 2.5}, "num_predict_samples must be an integer"),
    "batch_too_large": (
        {"batch_size": 31},
        "batch_size must be from 1 to the number of training examples, 30, got 31",
    ),
    "no_epochs": ({"epochs": 0}, "epochs must be a positive number, got 0"),
    "no_bayesian_layer": (
        {"model": lambda shape, n: keras.Sequential([keras.Input(shape), keras.layers.Dense(n)])},
        "has no Bayesian layer; use bnn.layers.Dense",
    ),
    "no_optimizer_where_one_is_needed": (
        {"optimizer": None},
        "method VariationalInference needs an optimizer, got None; in gin write",
    ),
    "a_batch_of_floats": ({"batch_size": 10.0}, "batch_size must be an integer, got 10.0"),
    "endless": ({"epochs": 1e12}, "epochs must be at most 1.43166e[+]09 for batches of 10 from 30"),
    "too_many_reports": (
        {"report_every": 1e-9},
        "report_every must be at least 4e-06 for 4 epochs, which are 1000000 reports, got 1e-09",
    ),
    "too_many_samples": (
        {
            "method": VariationalInference(
                bnn.estimators.Flipout(), bnn.objectives.NegativeELBO(num_samples=10**7)
            )
        },
        "num_samples must be at most 1000, got 10000000",
    ),
    "no_seed": ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
    "compiled_or_not": ({"jit_compile": "maybe"}, "jit_compile must be True or False, got 'maybe'"),
    "no_model": ({"model": 3}, "model must be a function of input shape and number of outputs"),
    "a_truth_for_a_count": (
        {"num_predict_samples": True},
        "num_predict_samples must be an integer of at least 1, got True",
    ),
    "probe_of_another_method": (
        {"probe": GradientNoiseProbe(), "method": MAP()},
        "probe compares the estimators of VariationalInference, got method MAP",
    ),
}


@pytest.mark.parametrize(("changes", "message"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(
    tmp_path, changes, message
):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", **arguments(**changes))
    assert not (tmp_path / "run").exists()


def test_data_without_a_test_part_are_refused(tmp_path):
    data = classes()
    data = Dataset(
        **{name: getattr(data, name) for name in ("name", "x_train", "y_train", "num_classes")},
        x_valid=data.x_test,
        y_valid=data.y_test,
        x_test=data.x_test[:0],
        y_test=data.y_test[:0],
    )
    with pytest.raises(ValueError, match="data set 'toy' has no test part to evaluate on"):
        run(tmp_path / "run", **arguments(data=data))


def test_a_skewed_posterior_trains_with_an_estimator_that_can(tmp_path, cheap_runs):
    results = run(tmp_path, **arguments(model=skewed, epochs=1))
    assert np.isfinite(results["kl"]["total"])


def test_a_refused_folder_is_released(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    for _ in range(2):  # the second time not because of a lock of the first
        with pytest.raises(FolderInUseError, match=r"\(it has notes.txt\)"):
            run(tmp_path / "run", **arguments())


def test_no_samples_in_training():
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        bnn.objectives.NegativeELBO(num_samples=0)
