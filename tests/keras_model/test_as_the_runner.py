"""`fit` in the runner's order of the data is the runner: weights, logs and scores."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import experiment
from bnn.data.order import batch_rows
from bnn.likelihoods import Categorical
from bnn.methods import VariationalInference

SEED, BATCH, EPOCHS, SAMPLES = 3, 128, 2, 4


@pytest.mark.slow
def test_fit_reaches_the_runners_metrics_on_digits(tmp_path):
    data = bnn.data.digits()
    model = functools.partial(bnn.models.mlp, hidden=(32,))
    results = experiment.run(
        tmp_path / "run",
        data=data,
        model=model,
        likelihood=Categorical(),
        method=VariationalInference(bnn.estimators.Flipout()),
        epochs=EPOCHS,
        batch_size=BATCH,
        optimizer=keras.optimizers.Adam(0.01),
        report_every=1.0,
        num_predict_samples=SAMPLES,
        seed=SEED,
        jit_compile=False,
        tracker=None,
    )
    steps, trained = results["steps"], results.model
    keras.utils.set_random_seed(SEED)
    bayesian = bnn.BayesianModel(
        model(data.input_shape, 10), Categorical(), seed=SEED, num_predict_samples=SAMPLES
    )
    bayesian.compile(keras.optimizers.Adam(0.01), bnn.estimators.Flipout(), metrics=["accuracy"])
    rows = batch_rows(np.arange(steps), batch_size=BATCH, num_train=data.num_train, seed=SEED)
    batches = tf.data.Dataset.from_tensor_slices((data.x_train[rows], data.y_train[rows]))
    history = bayesian.fit(batches, num_train=data.num_train, shuffle=False, verbose=0).history
    assert int(bayesian.step_counter) == steps
    for mine, other in zip(bayesian.network.weights, trained.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-5, err_msg=mine.path)
    scores = bayesian.evaluate(data.x_test, data.y_test, return_dict=True, verbose=0)
    assert scores["nll"] == pytest.approx(results["test"]["nll"], rel=1e-4)
    assert scores["accuracy"] == pytest.approx(results["test"]["accuracy"], abs=1e-6)
    assert scores["kl"] == pytest.approx(results["kl"]["total"], rel=1e-5)
    assert np.isfinite(history["loss"]).all()
