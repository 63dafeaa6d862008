"""A KL with a wrong factor, missing or counted twice is caught; a right one passes."""

import keras
import pytest
import tensorflow as tf

import bnn
from tests.diagnostics.audit_cases import ESTIMATOR, KL, LIKELIHOOD, B, N, audited, failures, loop

WRONG = {
    "KL missing": (lambda kl: 0.0, "the KL is missing: no site's KL enters the loss"),
    "KL per batch": (
        lambda kl: kl / B,
        r"50 times 1 / N = 1 / 1000: divided by the batch's 20 examples in place of N",
    ),
    "KL averaged over weights": (
        lambda kl: kl / 4,
        r"250 times .* averaged over the 4 weights in place of summed",
    ),
    "KL whole": (lambda kl: kl, r"1000 times .* not divided by anything"),
    "KL twice": (lambda kl: 2 * kl / N, "2 times .* counted twice"),
    "tempered": (lambda kl: 0.1 * kl / N, "weighted with 0.1, a tempered posterior"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_factor_of_the_kl(model, batch, name):
    part, words = WRONG[name]
    found = failures(audited(model, loop(model, part), batch))
    assert list(found) == [KL]
    assert tf.strings.regex_full_match(found[KL], f".*{words}.*"), found[KL]
    assert "sum(bnn.ledger(model" in found[KL]  # the remedy


def test_a_tempered_loss_that_says_so_passes(model, batch):
    found = audited(model, loop(model, lambda kl: 0.1 * kl / N), batch, kl_weight=0.1)
    assert found.ok, str(found)
    assert "every site counts 0.1 / 1000" in str(found)


def test_the_kl_of_one_site_is_missing(model, batch):
    def loss(x, y, step):
        with bnn.Draw(0, ESTIMATOR, step=step):
            nll = -tf.reduce_mean(LIKELIHOOD.log_prob(model(x), y))
        return nll + bnn.ledger(model)["0_dense/kernel"] / N

    found = failures(audited(model, loss, batch))
    assert "the KL of 0_dense/bias is missing in the loss" in found[KL]


def test_a_sum_over_the_batch_beside_the_kl_over_n(model, batch):
    def loss(x, y, step):
        with bnn.Draw(5, ESTIMATOR, step=step):
            nll = -tf.reduce_sum(LIKELIHOOD.log_prob(model(x), y))
        return nll + sum(bnn.ledger(model).values()) / N

    words = failures(audited(model, loss, batch))["gradient is the objective's"]
    assert "times that of the negative ELBO per example (the batch has 20 examples" in words


def test_a_whole_loss_in_another_unit_is_no_mistake(model, batch):
    right = loop(model, lambda kl: kl / N)
    found = audited(model, lambda x, y, step: B * right(x, y, step), batch, num_steps=64)
    assert found.ok, str(found)
    assert "The whole loss is 20 times the objective's" in str(found)


class WithAddedKL(bnn.layers.Dense):
    """The KL of a normal to N(0, 1), by hand, as layers of other libraries add it."""

    def call(self, inputs):
        self.add_loss(kl_by_hand(self) / N)
        return super().call(inputs)


def kl_by_hand(layer):
    variance, mean = layer.kernel_posterior.variance, layer.kernel_posterior.mean
    return 0.5 * tf.reduce_sum(variance + mean**2 - 1 - tf.math.log(variance))


@pytest.mark.parametrize("uses_losses", [False, True])
def test_the_kl_twice_by_add_loss(batch, uses_losses):
    model = keras.Sequential([keras.Input((3,)), WithAddedKL(1)])
    right = loop(model, lambda kl: kl / N)

    def loss(x, y, step):
        value = right(x, y, step)
        return value + sum(model.losses) if uses_losses else value

    words = failures(audited(model, loss, batch))[KL]
    assert "model.losses depend on scales, such as" in words
    assert "Take the add_loss out" in words


def test_the_kl_once_more_by_hand(model, batch):
    right = loop(model, lambda kl: kl / N)

    def loss(x, y, step):
        return right(x, y, step) + 2.0 * kl_by_hand(model.layers[0]) / N

    for variable in model.layers[0].kernel_posterior.variables:  # so that its KL is not small
        variable.assign(tf.ones_like(variable) * -6.0)
    words = failures(audited(model, loss, batch, num_steps=64))[KL]
    assert "another one, written by hand" in words


def variance_squared(q):
    return 0.5 * tf.reduce_sum(q.variance**2 + q.mean**2 - 1 - tf.math.log(q.variance))


def mean_forgotten(q):
    return 0.5 * tf.reduce_sum(q.variance - 1 - tf.math.log(q.variance))


def narrower_prior(q):
    return 0.5 * tf.reduce_sum(4 * (q.variance + q.mean**2) - 1 - tf.math.log(4 * q.variance))


def of_variance_and_mean(q):
    return 0.5 * tf.reduce_sum(q.variance + q.mean**2 - 1 - tf.math.log(q.variance))


FEW = 50  # examples, so that the KL of four weights is above the rounding of the loss


def in_place_of_the_ledger(model, kl):
    def loss(x, y, step):
        with bnn.Draw(5, ESTIMATOR, step=step):
            nll = -tf.reduce_mean(LIKELIHOOD.log_prob(model(x, training=True), y))
        return nll + sum(kl(site.posterior) for site in bnn.sites(model).values()) / FEW

    return loss


@pytest.fixture
def narrow():
    """A model at its start, whose σ are too small for their squares to move a gradient."""
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])


@pytest.mark.parametrize("kl", [variance_squared, mean_forgotten, narrower_prior])
def test_a_wrong_kl_by_hand(narrow, batch, kl):
    before = narrow.get_weights()
    words = failures(audited(narrow, in_place_of_the_ledger(narrow, kl), batch, num_train=FEW))[KL]
    assert "a KL that is not the ledger's: it moves by" in words
    assert "sum(bnn.ledger(model" in words
    assert all((a == b).all() for a, b in zip(before, narrow.get_weights(), strict=True))
    assert "call" not in vars(narrow)


def test_a_right_kl_by_hand(narrow, batch):
    loss = in_place_of_the_ledger(narrow, of_variance_and_mean)
    for one in (loss, tf.function(loss)):
        found = audited(narrow, one, batch, num_train=FEW)
        assert found.ok, str(found)
        assert "it moves with scales and means as the ledger does" in str(found)


def test_a_kl_by_hand_whose_gradient_is_stopped(narrow, batch):
    loss = in_place_of_the_ledger(narrow, lambda q: tf.stop_gradient(of_variance_and_mean(q)))
    words = failures(audited(narrow, loss, batch, num_train=FEW))[KL]
    assert "a KL of the right value whose gradient is 0 times the ledger's" in words


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1.0, "50 times as much: not divided by anything"),
        (1 / B, "2.5 times as much: divided by the batch's 20 examples in place of N"),
        (2 / FEW, "2 times as much: counted twice"),
    ],
)
def test_the_factor_of_a_kl_by_hand(narrow, batch, factor, words):
    loss = in_place_of_the_ledger(narrow, lambda q: FEW * factor * of_variance_and_mean(q))
    found = audited(narrow, loss, batch, num_train=FEW)
    assert words in failures(found)[KL]
    assert list(failures(found)) == [KL]  # the likelihood is not blamed for it


def sampled_by_hand(model, factor):
    def loss(x, y, step):
        with bnn.Draw(5, ESTIMATOR, step=step) as draw:
            nll = -tf.reduce_mean(LIKELIHOOD.log_prob(model(x), y))
        kl = sum(
            site.posterior.log_prob(w) - tf.reduce_sum(site.prior.log_prob(w))
            for site, w in draw.weights.items()
        )
        return nll + factor * kl

    return loss


@pytest.mark.parametrize("times", [1, 2, FEW])
def test_a_sampled_kl_by_hand(narrow, batch, times):
    found = audited(
        narrow, sampled_by_hand(narrow, times / FEW), batch, num_train=FEW, num_steps=64
    )
    if times == 1:
        assert KL not in failures(found), str(found)
        return
    words = failures(found)[KL]
    assert "missing" not in words
    assert f"by its gradient the loss has it about {times} times" in words or "too noisy" in words


def test_a_kl_by_hand_beside_an_nll_that_cannot_be_told(narrow, batch):
    """Outputs that the model's own call does not give: the gradient is left."""
    [layer] = narrow.layers

    def loss(x, y, step):
        with bnn.Draw(5, ESTIMATOR, step=step):
            nll = -tf.reduce_mean(LIKELIHOOD.log_prob(layer(x), y))
        return nll + sum(of_variance_and_mean(site.posterior) for site in layer.sites)

    found = audited(narrow, loss, batch, num_train=1)
    assert found.ok, str(found)
    assert "as far as its noise and these scales show" in str(found)


def test_losses_of_keras_alone_have_no_kl(model, batch):
    def loss(x, y, step):
        with bnn.Draw(0, ESTIMATOR, step=step):
            outputs = model(x, training=True)
        return -tf.reduce_mean(LIKELIHOOD.log_prob(outputs, y)) + sum(model.losses) / N

    words = failures(audited(model, loss, batch))[KL]
    assert "the KL is missing" in words
    assert "put none into model.losses" in words


def test_regularizers_of_keras_are_no_kl(batch):
    layer = bnn.layers.Dense(1, kernel_regularizer="l2", activity_regularizer="l2")
    model = keras.Sequential([keras.Input((3,)), layer])
    objective = bnn.objectives.NegativeELBO(LIKELIHOOD, N)

    def loss(x, y, step):
        return objective(model, x, y, estimator=ESTIMATOR, seed=0, step=step).loss

    assert KL not in failures(audited(model, loss, batch))
