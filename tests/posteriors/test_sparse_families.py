"""Spike and slab, the group horseshoe and BatchEnsemble: KL by other means, and what they learn."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import bnn
from bnn import estimators, priors
from bnn import posteriors as q
from bnn.divergences import MonteCarlo, kl_terms
from bnn.noise import Noise
from tests.posteriors.descriptors import build

COUNT = 200_000


def counted(posterior, prior):
    terms = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    return float(tf.add_n([tf.reduce_sum(term) for term in terms]))


# --- Spike and slab ---------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0])
def test_moments_of_a_relaxed_switch(temperature):
    """Against an integral over u of 2·10⁶ points."""
    logits = np.linspace(-5, 5, 6).reshape(3, 2)
    posterior = q.SpikeAndSlabNormal(temperature=temperature)
    posterior.build(keras.layers.Layer(), "kernel", (3, 2), "ones")
    posterior._logit.assign(logits)
    u = (np.arange(2_000_000) + 0.5) / 2_000_000
    noise = np.log(u) - np.log1p(-u)
    for logit, first, second in zip(
        logits.ravel(), *(np.ravel(m) for m in posterior._switch_moments()), strict=True
    ):
        switch = 1 / (1 + np.exp(-(logit + noise) / temperature))
        assert first == pytest.approx(switch.mean(), abs=3e-6)
        assert second == pytest.approx((switch**2).mean(), abs=3e-6)


def test_kl_of_spike_and_slab_is_that_of_the_mixtures(assert_mean):
    """ln q/p by samples of the switches and the slabs."""
    posterior, prior = build("SpikeAndSlabNormal"), priors.Normal(0.1, 0.7)
    rng = np.random.default_rng(0)
    logit, mean = np.float64(posterior.inclusion_logit), np.float64(posterior.slab_mean)
    kept, scale = 1 / (1 + np.exp(-logit)), np.exp(np.float64(posterior.log_scale))
    on = rng.random((COUNT, 3, 2)) < kept
    w = mean + scale * rng.normal(size=on.shape)
    slab = scipy.stats.norm.logpdf(w, mean, scale) - scipy.stats.norm.logpdf(w, 0.1, 0.7)
    prior_kept = posterior.prior_inclusion
    ratio = np.where(
        on, np.log(kept / prior_kept) + slab, np.log((1 - kept) / (1 - prior_kept))
    ).sum(axis=(1, 2))
    assert_mean(ratio[:, np.newaxis], counted(posterior, prior))


@pytest.mark.slow
def test_weights_that_the_data_do_not_hold_are_switched_off():
    """Under a likelihood of two weights, one that is known to be 1 and one of which nothing is."""
    posterior, prior = q.SpikeAndSlabNormal(0.5, 0.3, 0.1), priors.Normal(0.0, 1.0)
    posterior.build(keras.layers.Layer(), "kernel", (2,), "zeros")
    posterior.initialise(np.array([0.5, 0.5]), scale=0.1)
    np.testing.assert_allclose(posterior.mean, [0.5, 0.5], rtol=1e-5)
    optimizer = keras.optimizers.Adam(0.03)
    optimizer.build(posterior.variables)

    @tf.function(jit_compile=True, autograph=False)
    def train(step):
        with tf.GradientTape() as tape:
            w = posterior.sample(Noise(0, step))
            misfit = tf.reduce_sum([200.0, 0.0] * tf.square(w - 1.0))
            loss = misfit + tf.add_n(
                [tf.reduce_sum(t) for t in kl_terms(posterior, prior, Noise(0), MonteCarlo())]
            )
        gradients = tape.gradient(loss, [v.value for v in posterior.variables])
        optimizer.apply(gradients, posterior.variables)

    for step in tf.range(800):
        train(step)
    np.testing.assert_array_equal(posterior.kept(), [True, False])
    assert posterior.sparsity() == 0.5
    # Of the free weight the law is the prior: λ of the slab.
    assert float(tf.sigmoid(posterior.inclusion_logit)[1]) == pytest.approx(0.3, abs=0.02)


# --- The group horseshoe ----------------------------------------------------------------------


def test_a_half_cauchy_number_is_the_root_of_two_factors():
    """The decomposition that the family's prior rests on, by a test of Kolmogorov and Smirnov."""
    rng = np.random.default_rng(1)
    k = 0.3
    a = scipy.stats.gamma.rvs(0.5, scale=k**2, size=COUNT, random_state=rng)
    b = scipy.stats.invgamma.rvs(0.5, scale=1.0, size=COUNT, random_state=rng)
    found = scipy.stats.kstest(np.sqrt(a * b), scipy.stats.halfcauchy(scale=k).cdf)
    assert found.pvalue > 1e-4
    other = scipy.stats.kstest(np.sqrt(a * b), scipy.stats.halfcauchy(scale=k**2).cdf)
    assert other.pvalue < 1e-10


@pytest.mark.parametrize("shape", [(3, 2), (4,)])
def test_kl_of_the_factors_against_scipy(shape, assert_mean):
    posterior = build("GroupHorseshoe", shape)
    rng = np.random.default_rng(2)
    total = np.zeros(COUNT)
    for side in posterior._factors:
        loc, scale = (np.float64(m) for m in posterior._law(side))
        k = posterior.global_scale if side == "tensor" else 1.0
        log = loc + scale * rng.normal(size=(COUNT, *loc.shape))
        log_q = scipy.stats.norm.logpdf(log, loc, scale) - log
        x = np.exp(log)
        total += (log_q[:, 0] - scipy.stats.gamma.logpdf(x[:, 0], 0.5, scale=k**2)).sum(axis=1)
        total += (log_q[:, 1] - scipy.stats.invgamma.logpdf(x[:, 1], 0.5)).sum(axis=1)
    assert_mean(total[:, np.newaxis], float(posterior.factor_kl()))
    slab = q.MeanFieldNormal()
    slab.build(keras.layers.Layer(), "kernel", shape, "zeros")
    slab.initialise(posterior.slab_mean, np.exp(posterior.log_scale))
    prior = priors.Normal(0.1, 0.7)
    expected = counted(slab, prior) + float(posterior.factor_kl())
    assert counted(posterior, prior) == pytest.approx(expected, rel=1e-5)


def test_scale_of_the_horseshoe_at_its_start():
    posterior = build("GroupHorseshoe")
    posterior.initialise(np.zeros((3, 2)), scale=0.2)
    np.testing.assert_allclose(np.sqrt(posterior.variance), np.full((3, 2), 0.2), rtol=1e-5)
    assert posterior.group_scale.shape == (3,)


@pytest.mark.slow
def test_channels_that_the_data_do_not_need_are_shut():
    """Two input channels, of which the second is noise: its scale becomes the smaller by far."""
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.normal(size=(200, 2)), tf.float32)
    targets = tf.constant(inputs.numpy() @ [[1.0, -2.0, 1.5], [0.0, 0.0, 0.0]], tf.float32)
    keras.utils.set_random_seed(0)
    layer = bnn.layers.Dense(3, use_bias=False, kernel_posterior=q.GroupHorseshoe(0.1, 0.1))
    model = keras.Sequential([keras.Input((2,)), layer])
    likelihood = bnn.likelihoods.Normal(0.5)
    likelihood.build(3)
    objective = bnn.objectives.NegativeELBO(likelihood, num_train=200)
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=True, autograph=False)
    def train(step):
        with tf.GradientTape() as tape:
            loss = objective(
                model,
                inputs,
                targets,
                estimator=estimators.LocalReparameterization(),
                noise=Noise(0, step),
            ).loss
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)

    for step in tf.range(1500):
        train(step)
    used, unused = layer.kernel.posterior.group_scale
    assert unused < 0.2 * used


# --- BatchEnsemble ----------------------------------------------------------------------------


def network(members=3):
    keras.utils.set_random_seed(4)
    options = {
        f"{part}_posterior": q.BatchEnsemble(members, 0.5) for part in ("kernel", "bias")
    } | {"bias_initializer": "normal"}
    return keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(4, activation="tanh", **options),
            bnn.layers.Dense(2, **options),
        ]
    )


def member_outputs(model, inputs):
    """Outputs of every member's network, `[K, B, 2]`, by its weights."""
    first, second = ([s.posterior.members() for s in layer.sites] for layer in model.layers)
    hidden = tf.tanh(tf.einsum("bi,kij->kbj", inputs, first[0]) + first[1][:, tf.newaxis])
    return (tf.einsum("kbi,kij->kbj", hidden, second[0]) + second[1][:, tf.newaxis]).numpy()


def nearest(outputs, members):
    """Which member's outputs these are, and how far they are from them."""
    distance = np.abs(members - outputs).max(axis=(1, 2))
    return int(distance.argmin()), distance.min()


@pytest.mark.parametrize("step", range(3))
def test_samples_are_the_members_each_once(step, rng):
    model, inputs = network(), tf.constant(rng.normal(size=(5, 3)), tf.float32)
    members = member_outputs(model, inputs)
    seen = []
    for sample in range(3):
        with bnn.Draw(0, estimators.Reparameterization(), step=step, sample=sample):
            found, distance = nearest(model(inputs).numpy(), members)
        assert distance < 1e-5
        seen.append(found)
    assert sorted(seen) == [0, 1, 2]


def test_an_example_has_one_member_in_all_layers(rng):
    model, inputs = network(), tf.constant(rng.normal(size=(64, 3)), tf.float32)
    members = member_outputs(model, inputs)
    with bnn.Draw(0, estimators.LocalReparameterization()):
        outputs = model(inputs).numpy()
    distance = np.abs(members - outputs).max(axis=2)
    assert distance.min(axis=0).max() < 1e-5
    assert np.all(np.bincount(distance.argmin(axis=0), minlength=3) > 8)


def test_members_that_sites_draw_for_themselves_are_caught(rng, monkeypatch):
    """The defect: noise of the site, so that layers are of different members."""
    model, inputs = network(), tf.constant(rng.normal(size=(5, 3)), tf.float32)
    members = member_outputs(model, inputs)
    monkeypatch.setattr(Noise, "at", _without_site(Noise.at))
    distances = []
    for step in range(4):
        with bnn.Draw(0, estimators.Reparameterization(), step=step):
            distances.append(nearest(model(inputs).numpy(), members)[1])
    assert max(distances) > 1e-2


def _without_site(at):
    def kept(self, **changes):
        if changes.get("site") == 2**16 - 1:
            changes.pop("site")
        return at(self, **changes)

    return kept


def test_members_of_a_wide_trained_layer_are_near_its_weights(rng):
    """Factors whose mean is near 0 made single weights hundreds of times as large as trained."""
    keras.utils.set_random_seed(1)
    posterior = q.BatchEnsemble()
    posterior.build(keras.layers.Layer(), "kernel", (300, 200), "zeros")
    trained = rng.normal(size=(300, 200))
    posterior.initialise(trained)
    np.testing.assert_allclose(posterior.mean, trained, rtol=1e-4, atol=1e-6)
    away = posterior.members() - trained
    assert 0.1 < np.sqrt(np.mean(np.square(away))) < 1.0
    assert np.abs(away).max() < 10 * np.abs(trained).max()


def test_kl_of_members_is_the_mean_of_points():
    posterior, prior = build("BatchEnsemble"), priors.Laplace(0.1, 0.6)
    each = [-np.sum(prior.log_prob(member)) for member in posterior.members()]
    assert counted(posterior, prior) == pytest.approx(np.mean(each), rel=1e-5)


# --- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SpikeAndSlabNormal", "GroupHorseshoe"])
def test_priors_that_are_not_normal_are_refused(name):
    refusal = f"the KL of {name} needs a normal prior of independent elements .*got Laplace; use"
    with pytest.raises(ValueError, match=refusal):
        kl_terms(build(name), priors.Laplace(), Noise(0), MonteCarlo())
