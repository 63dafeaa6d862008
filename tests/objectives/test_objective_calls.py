"""How an objective is bound and called, and what it makes sure of before it averages."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Flipout, Mean, Reparameterization
from bnn.likelihoods import Categorical, Normal
from bnn.noise import Noise
from bnn.objectives import (
    DoublyReparameterized,
    ImportanceWeightedBound,
    NegativeELBO,
    StickingTheLanding,
)
from bnn.objectives.checks import require_kl_weight
from tests.objectives.calls import call

KINDS = pytest.mark.parametrize("kind", [NegativeELBO, StickingTheLanding, ImportanceWeightedBound])


# --- Binding ----------------------------------------------------------------------------------


@KINDS
def test_a_bound_copy_is_that_of_the_arguments(kind, model, data):
    options = {"num_samples": 2}
    unbound = kind(**options)
    bound = unbound.bind(Categorical(), 10)
    assert type(bound) is kind
    expected = call(kind(Categorical(), 10, **options), model, data)
    assert float(call(bound, model, data).loss) == float(expected.loss)
    assert (bound.num_train, bound.num_samples) == (10, 2)
    with pytest.raises(ValueError, match="has no likelihood yet"):  # the copy alone is bound
        _ = unbound.likelihood


def test_binding_keeps_every_option():
    rule, estimate = DoublyReparameterized(), bnn.divergences.Quadrature()
    bound = ImportanceWeightedBound(num_samples=3, gradient=rule).bind(Categorical(), 10)
    assert (bound.num_samples, bound.gradient) == (3, rule)
    bound = NegativeELBO(num_samples=4, antithetic=True, kl=estimate).bind(Categorical(), 10)
    assert (bound.num_samples, bound.antithetic, bound.kl) == (4, True, estimate)


def test_binding_again_rebinds():
    bound = NegativeELBO().bind(Categorical(), 10)
    likelihood = Normal()
    again = bound.bind(likelihood, 20)
    assert (bound.num_train, again.num_train) == (10, 20)
    assert again.likelihood is likelihood


@KINDS
def test_an_unbound_objective_is_refused(kind, model, data):
    message = f"{kind.__name__} has no likelihood yet; give likelihood and num_train, or call bind"
    with pytest.raises(ValueError, match=message):
        call(kind(), model, data)
    with pytest.raises(ValueError, match=message):
        _ = kind().num_train


def test_num_train_may_be_a_tensor(model, data):
    values = [
        float(call(NegativeELBO(Categorical(), n), model, data).loss) for n in (10, tf.constant(10))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


# --- Coordinates ------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize(("given", "missing"), [({"seed": 0}, "step"), ({"step": 0}, "seed")])
def test_seed_and_step_are_both_required(kind, given, missing, model, data):
    """A loop that forgets the step trains one weight sample for ever."""
    message = f"{kind.__name__} needs {missing}: pass seed and step, or noise=.*must count up"
    with pytest.raises(ValueError, match=message):
        call(kind(Categorical(), 10), model, data, **given)


@KINDS
def test_neither_seed_nor_noise(kind, model, data):
    with pytest.raises(ValueError, match=f"{kind.__name__} needs seed: pass seed and step"):
        kind(Categorical(), 10)(model, *data, estimator=Reparameterization())


def test_both_are_refused(model, data):
    objective = NegativeELBO(Categorical(), 10)
    for given in ({"step": 1}, {"seed": 2}, {"seed": 0, "step": 0}):
        with pytest.raises(ValueError, match="must not be given beside a Noise"):
            call(objective, model, data, noise=Noise(0), **given)


@KINDS
def test_noise_is_that_of_seed_and_step(kind, model, data):
    objective = kind(Categorical(), 10)
    shorthand = call(objective, model, data, seed=3, step=4)
    assert float(call(objective, model, data, noise=Noise(3, 4)).loss) == float(shorthand.loss)


def test_pairs_are_the_objectives_own(model, data):
    """Whatever the noise says of antithetic pairs."""
    for antithetic in (False, True):
        objective = NegativeELBO(Categorical(), 10, 2, antithetic=antithetic)
        losses = {
            float(call(objective, model, data, noise=Noise(3, antithetic=a)).loss)
            for a in (False, True)
        }
        assert len(losses) == 1


# --- One number per example -------------------------------------------------------------------


class EveryPosition(Categorical):
    """A log-probability for every position: their mean would weigh the KL by their number."""

    def log_prob(self, outputs, targets):
        return tf.zeros(tf.shape(outputs)[:2]) + tf.reduce_sum(outputs, -1)


class Total(Categorical):
    def log_prob(self, outputs, targets):
        return tf.reduce_sum(outputs)


@KINDS
@pytest.mark.parametrize("num_samples", [1, 2])
def test_log_probabilities_of_positions_are_refused(kind, num_samples, rng):
    model = keras.Sequential([keras.Input((5, 3)), bnn.layers.Dense(4)])
    data = tf.ones((6, 5, 3)), rng.integers(0, 4, (6, 5))
    message = (
        r"EveryPosition\.log_prob must return one number an example, \[B\] = \[6\], got shape "
        r"\(6, 5\); .*bnn\.likelihoods\.Positions"
    )
    with pytest.raises(ValueError, match=message):
        call(kind(EveryPosition(), 10, num_samples), model, data)


def test_one_number_for_the_batch_is_refused(model, data):
    with pytest.raises(ValueError, match=r"Total\.log_prob must return .* got shape \(\);"):
        call(NegativeELBO(Total(), 10), model, data)


@pytest.mark.parametrize("num_samples", [1, 2])
def test_several_outputs_are_refused(num_samples, rng):
    """Stacked, the losses of the heads would be averaged."""
    i = keras.Input((3,))
    model = keras.Model(i, [bnn.layers.Dense(3)(i), bnn.layers.Dense(3)(i)])
    data = tf.ones((6, 3)), [rng.integers(0, 3, 6) for _ in range(2)]
    message = "2.* bnn.likelihoods.Heads"
    with pytest.raises(ValueError, match=message):
        call(NegativeELBO(Categorical(), 10, num_samples), model, data)


class Both(Categorical):
    """Takes the two heads."""

    def log_prob(self, outputs, targets):
        parts = [super(Both, self).log_prob(o, t) for o, t in zip(outputs, targets, strict=True)]
        return tf.add_n(parts)


def test_a_likelihood_of_structures_gets_them(rng):
    i = keras.Input((3,))
    model = keras.Model(i, [bnn.layers.Dense(3)(i), bnn.layers.Dense(3)(i)])
    x, targets = tf.ones((6, 3)), [rng.integers(0, 3, 6) for _ in range(2)]
    terms = call(NegativeELBO(Both(), 10), model, (x, targets), estimator=Mean())
    expected = -sum(
        np.mean(Categorical().log_prob(o, t)) for o, t in zip(model(x), targets, strict=True)
    )
    assert float(terms.nll) == pytest.approx(expected, rel=1e-5)


def test_models_with_several_inputs(data):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, bnn.layers.Dense(2)(a) - bnn.layers.Dense(2)(b))
    x, y = data
    terms = call(NegativeELBO(Categorical(), 10), model, ({"a": x, "b": 2 * x}, y))
    assert np.isfinite(float(terms.loss))


# --- Layers that Keras does not track ---------------------------------------------------------


class Holder:
    """A plain Python object."""

    def __init__(self, layer):
        self.layer = layer


class Hides(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = bnn.layers.Dense(2)
        self._hidden = Holder(bnn.layers.Dense(4, name="hidden"))

    def call(self, inputs):
        return self.head(self._hidden.layer(inputs))


def hidden_in_a_lambda():
    hidden = bnn.layers.Dense(4, name="hidden")
    hidden.build((None, 3))
    wrapped = keras.layers.Lambda(lambda x: hidden(x), output_shape=(4,))
    return keras.Sequential([keras.Input((3,)), wrapped, bnn.layers.Dense(2)], name="whole")


def hidden_in_an_object():
    model = Hides()
    model(tf.zeros((1, 3)))
    return model


@KINDS
@pytest.mark.parametrize("make", [hidden_in_a_lambda, hidden_in_an_object])
def test_a_layer_that_is_not_tracked_is_named(kind, make, data):
    """It would be sampled, and neither trained nor counted in the KL."""
    model = make()
    message = (
        f"layer 'hidden' was drawn in the call of model '{model.name}', but the model does not "
        "track it: .* Make it an attribute of a Keras layer"
    )
    with pytest.raises(ValueError, match=message):
        call(kind(Categorical(), 10), model, data)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_model_without_sites_has_no_kl(wrap, data):
    """A maximum-likelihood fit."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    @wrap
    def run():
        terms = call(NegativeELBO(Categorical(), 10), model, data)
        return terms.loss, terms.nll, terms.kl

    loss, nll, kl = run()
    expected = -np.mean(Categorical().log_prob(model(data[0]), data[1]))
    assert float(kl) == 0
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(nll) == pytest.approx(expected, rel=1e-5)


# --- Types and weights ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        (NegativeELBO, Reparameterization()),
        (NegativeELBO, Flipout()),
        (StickingTheLanding, Reparameterization()),
        (ImportanceWeightedBound, Reparameterization()),
    ],
)
def test_a_layer_in_float64_trains_as_one_in_float32(kind, estimator, rng):
    """Its random weights are float32, as the noise is; the objective is, too."""
    x, y, found = rng.normal(size=(6, 3)), rng.normal(size=(6, 1)), []
    for dtype in ("float32", "float64"):
        regularizer = keras.regularizers.L2(0.1)
        last = bnn.layers.Dense(1, dtype=dtype, kernel_initializer="ones")
        layers = [keras.layers.Dense(3, "tanh", dtype=dtype, kernel_initializer="ones"), last]
        layers[0].kernel_regularizer = regularizer
        model = keras.Sequential([keras.Input((3,), dtype=dtype), *layers])
        likelihood = Normal(0.5)
        likelihood.build(1)
        with tf.GradientTape() as tape:
            terms = call(kind(likelihood, 6), model, (x.astype(dtype), y), estimator=estimator)
        gradients = tape.gradient(terms.loss, model.trainable_variables)
        found.append([terms.loss, *gradients])
    for one, other in zip(*found, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@KINDS
def test_a_negative_weight_is_refused_or_seen(kind, model, data):
    """It would reward wrong predictions; in a compiled step the loss shows it."""
    bound = kind(Categorical(), 6)
    weights = np.array([1, 0, 2, -1, 1, 1], np.float32)
    with pytest.raises(ValueError, match=r"weights must be at least 0, got -1\.0 in row 3; an ex"):
        call(bound, model, data, weights=weights)
    compiled = tf.function(lambda w: call(bound, model, data, weights=w).loss)
    assert np.isnan(compiled(tf.constant(weights)))
    np.testing.assert_allclose(
        compiled(tf.abs(weights)), call(bound, model, data, weights=abs(weights)).loss, rtol=1e-5
    )


@KINDS
def test_a_negative_kl_weight_is_refused(kind, model, data):
    """It would reward a posterior that is far from its prior: a loss without a minimum."""
    message = r"kl_weight must be one finite number of at least 0, got -1\.0; 1\.0 is the whole"
    with pytest.raises(ValueError, match=message):
        call(kind(Categorical(), 6), model, data, kl_weight=-1.0)


@pytest.mark.parametrize(
    "weight", [np.nan, np.inf, np.float32(-0.5), tf.constant(-1.0), np.ones(2)]
)
def test_kl_weights_that_are_none(weight):
    with pytest.raises(ValueError, match="kl_weight must be one finite number of at least 0, got"):
        require_kl_weight(weight)


def test_a_negative_kl_weight_that_only_a_compiled_step_sees_is_nan():
    compiled = tf.function(require_kl_weight)
    assert float(compiled(tf.constant(0.5))) == 0.5
    assert np.isnan(compiled(tf.constant(-1.0)))
    with pytest.raises(ValueError, match=r"kl_weight must be one number .*, got shape \(2,\)"):
        compiled(tf.ones(2))


@KINDS
def test_an_empty_batch_is_refused(kind, model, data):
    nothing = tuple(part[:0] for part in data)
    with pytest.raises(ValueError, match=r"at least one example, got a batch of 0: its mean log"):
        call(kind(Categorical(), 6), model, nothing)
