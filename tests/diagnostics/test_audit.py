"""Wrong training loops of the kind people write are caught; right ones pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.diagnostics import Verdict, audit
from tests.diagnostics.audit_cases import ESTIMATOR, KL, LIKELIHOOD, N, audited, failures, loop


def test_a_right_loop_passes(model, batch):
    optimizer = keras.optimizers.Adam()
    found = audited(model, loop(model, lambda kl: kl / N), batch, optimizer=optimizer)
    assert found.ok, str(found)
    assert len(found.findings) == 6
    assert all(finding.verdict is Verdict.PASS for finding in found.findings), str(found)
    assert "every site counts 1 / 1000" in str(found)


def test_a_right_compiled_loop_passes(model, batch):
    loss = tf.function(loop(model, lambda kl: kl / N))
    found = audited(model, loss, batch)
    assert found.ok, str(found)
    assert not tf.config.functions_run_eagerly()


def test_the_objective_passes_with_another_estimator(model, batch):
    objective = bnn.objectives.NegativeELBO(LIKELIHOOD, N, num_samples=2)

    def loss(x, y, step):
        estimator = bnn.estimators.LocalReparameterization()
        return objective(model, x, y, estimator=estimator, seed=0, step=step).loss

    found = audited(model, loss, batch)
    assert found.ok, str(found)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_frozen_step(model, batch, compiled):
    inner = loop(model, lambda kl: kl / N)

    def loss(x, y, step):
        return inner(x, y, 0)

    found = failures(audited(model, tf.function(loss) if compiled else loss, batch))
    assert "three steps have the same loss" in found["noise moves with the step"]
    assert "trains one frozen weight sample" in found["noise moves with the step"]


def test_a_python_counter_that_a_compiled_function_freezes(model, batch):
    inner, counter = loop(model, lambda kl: kl / N), iter(range(10_000))

    @tf.function
    def loss(x, y):
        return inner(x, y, next(counter))

    assert "noise moves with the step" in failures(audited(model, loss, batch))


class Hidden(keras.Model):
    def __init__(self):
        super().__init__()
        layer = bnn.layers.Dense(1, name="hidden_layer")
        layer.build((None, 3))
        self.out = bnn.layers.Dense(1)
        self.function = lambda x: layer(x)  # Keras does not see into it

    def call(self, x):
        return self.out(x) + self.function(x)


def test_a_layer_that_keras_does_not_track_is_named(batch):
    model = Hidden()
    model(batch[0])
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch))
    assert "layer 'hidden_layer' was drawn" in found["drawn sites in the ledger"]


def test_a_decayed_scale(model, batch):
    class Own(keras.optimizers.AdamW):
        def _use_weight_decay(self, variable):
            return True

    optimizer = Own(weight_decay=0.01)
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch, optimizer=optimizer))
    words = found["weight decay spares the scales"]
    assert "Own's weight decay moves 2 scales" in words
    assert "Use an optimizer of Keras" in words
    ftrl = keras.optimizers.Ftrl()
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch, optimizer=ftrl))
    words = found["weight decay spares the scales"]
    assert "Ftrl's rule moves 2 scales" in words
    assert "Use for example keras.optimizers.Adam()" in words
    spared = keras.optimizers.AdamW(weight_decay=0.01)
    assert audited(model, loop(model, lambda kl: kl / N), batch, optimizer=spared).ok


def test_a_gradient_that_does_not_arrive(model, batch):
    def loss(x, y, step):
        layer = model.layers[0]
        noise = tf.random.stateless_normal((3, 1), [0, tf.cast(step, tf.int32)])
        scale = tf.stop_gradient(tf.sqrt(layer.kernel_posterior.variance))
        outputs = x @ (layer.kernel_posterior.mean + scale * noise) + layer.bias_posterior.mean
        return -tf.reduce_mean(LIKELIHOOD.log_prob(outputs, y))

    found = failures(audited(model, loss, batch))
    assert "no gradient reaches" in found["gradient is the objective's"]
    assert KL in found


def test_a_collapsed_posterior(batch):
    layer = bnn.layers.Dense(1, kernel_posterior=bnn.posteriors.MeanFieldNormal(1.0))
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.kernel_loc.assign(np.zeros((3, 1)))
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch, num_steps=64))
    assert "0_dense/kernel has collapsed to the prior" in found["posteriors have not collapsed"]


def test_a_bayesian_model_passes(model, batch):
    bayesian = bnn.BayesianModel(model, LIKELIHOOD)
    bayesian.compile(keras.optimizers.AdamW(weight_decay=0.1))
    with pytest.raises(ValueError, match="has not been fitted yet; pass num_train="):
        audit(bayesian, None, batch)
    for arguments in ((bayesian, None), (model, bayesian)):
        found = audit(*arguments, batch, num_train=N)
        assert found.ok, str(found)
        assert found.findings[4].words == "no scale is decayed."


def test_what_is_missing_is_asked_for(model, batch):
    with pytest.raises(ValueError, match="audit needs likelihood, to compare"):
        audit(model, lambda x, y: 0.0, batch, num_train=N)
    with pytest.raises(ValueError, match="audit needs num_train, to compare"):
        audit(model, lambda x, y: 0.0, batch, likelihood=LIKELIHOOD)
    with pytest.raises(ValueError, match=r"loss must be a function of \(inputs, targets, step\)"):
        audit(model, "mse", batch)
    with pytest.raises(ValueError, match=r"batch must be \(inputs, targets\), got"):
        audited(model, loop(model, lambda kl: kl), batch[0])


def test_a_model_called_without_a_draw(model, batch):
    def loss(x, y, step):
        nll = -tf.reduce_mean(LIKELIHOOD.log_prob(model(x), y))
        return nll + sum(bnn.ledger(model, step=step).values()) / N

    words = failures(audited(model, loss, batch))["noise moves with the step"]
    assert "0_dense/kernel, 0_dense/bias called without a draw" in words
    assert "with bnn.Draw(seed, estimator, step=step)" in words


def test_a_draw_around_one_part_of_the_model_alone(batch):
    first, second = bnn.layers.Dense(3), bnn.layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), first, second])

    def loss(x, y, step):
        with bnn.Draw(0, ESTIMATOR, step=step):
            features = first(x)
        nll = -tf.reduce_mean(LIKELIHOOD.log_prob(second(features), y))
        return nll + sum(bnn.ledger(model, step=step).values()) / N

    words = failures(audited(model, loss, batch))["noise moves with the step"]
    assert words.startswith("1_dense")


MODE = "the model is called as in training"


@pytest.mark.parametrize(
    "between", [lambda: keras.layers.Dropout(0.5), keras.layers.BatchNormalization]
)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_that_is_called_as_in_prediction(batch, between, training, compiled):
    layers = [bnn.layers.Dense(4), between(), bnn.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    before = [v.numpy() for v in model.non_trainable_variables]

    def loss(x, y, step):
        with bnn.Draw(0, ESTIMATOR, step=step):
            outputs = model(x, training=training)
        nll = -tf.reduce_mean(LIKELIHOOD.log_prob(outputs, y))
        return nll + sum(bnn.ledger(model, step=step).values()) / N

    found = audited(model, tf.function(loss) if compiled else loss, batch)
    verdicts = {finding.name: finding.verdict for finding in found.findings}
    assert verdicts[MODE] is (Verdict.PASS if training else Verdict.FAIL)
    if not training:
        assert "Call model(x, training=True)" in failures(found)[MODE]
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)  # an audit leaves the state as it is


def test_an_optimizer_of_the_means_alone(model, batch):
    optimizer = keras.optimizers.Adam()
    optimizer.build([site.posterior.variables[0] for site in bnn.sites(model).values()])
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch, optimizer=optimizer))
    words = found["the optimizer has every variable"]
    assert words.count("scale") + words.count("rho") >= 2, words
    assert "Give it model.trainable_variables" in words
    whole = keras.optimizers.Adam()
    whole.build(model.trainable_variables)
    assert audited(model, loop(model, lambda kl: kl / N), batch, optimizer=whole).ok


class Holder:
    """An object of plain Python, into which Keras does not look."""


def test_layers_in_an_object_of_plain_python(batch):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = Holder()
            self.parts.layers = [bnn.layers.Dense(3, name="plain_one")]
            self.parts.layers[0].build((None, 3))
            self.out = bnn.layers.Dense(1)

        def call(self, x):
            return self.out(self.parts.layers[0](x))

    model = Model()
    model(batch[0])
    found = failures(audited(model, loop(model, lambda kl: kl / N), batch))
    assert "layer 'plain_one' was drawn" in found["drawn sites in the ledger"]
