import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

import bnn
from bnn.noise import Noise
from bnn.posteriors import Exponential, MeanFieldNormal, Point
from bnn.priors import Normal, ScaleMixture


def dense(posterior=None, prior=None, shape=(3, 2), rng=None):
    """A built layer without bias; with `rng`, every element has a mean and scale of its own."""
    layer = bnn.layers.Dense(
        shape[1], use_bias=False, kernel_posterior=posterior, kernel_prior=prior
    )
    layer.build((None, shape[0]))
    if rng is not None:
        for variable in layer.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape))
    return layer


def kl(layer, **options):
    return float(bnn.ledger(layer, **options)["0_dense/kernel"])


def small_model():
    return keras.Sequential(
        [keras.Input((3,)), bnn.layers.Dense(4, activation="relu"), bnn.layers.Dense(2)]
    )


# --- Closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [None, Exponential()])
def test_normal_to_the_standard_normal(transform, rng):
    """KL(N(m, s²) ‖ N(0, 1)) = −ln s + (s² + m² − 1)/2, summed over the elements."""
    layer = dense(MeanFieldNormal(0.5, transform), rng=rng)
    [site] = layer.sites
    m, s = np.float64(site.posterior.mean), np.float64(site.posterior.scale)
    expected = np.sum(-np.log(s) + (s**2 + m**2 - 1) / 2)
    assert kl(layer) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "prior", [Normal(0.7, 2.0), Normal(-1.0, 0.1), Normal(0.3, 0.5, trainable=True)]
)
def test_normal_to_any_normal(prior, rng):
    """KL(N(m, s²) ‖ N(l, t²)) is that of the standardised (m − l)/t and s/t."""
    layer = dense(MeanFieldNormal(0.5), prior, rng=rng)
    [site] = layer.sites
    location, spread = (np.float64(v) for v in (site.prior.loc, site.prior.distribution().scale))
    m = (np.float64(site.posterior.mean) - location) / spread
    s = np.float64(site.posterior.scale) / spread
    assert kl(layer) == pytest.approx(np.sum(-np.log(s) + (s**2 + m**2 - 1) / 2), rel=1e-5)


def test_zero_where_posterior_and_prior_agree():
    layer = dense(MeanFieldNormal(0.4), Normal(0.0, 0.4))
    layer.kernel_posterior._loc.assign(np.zeros((3, 2)))
    assert kl(layer) == pytest.approx(0, abs=1e-5)


def test_gradient(rng):
    """d KL / dm = m and d KL / ds = s − 1/s for the standard normal prior."""
    layer = dense(MeanFieldNormal(0.5, Exponential()), rng=rng)
    posterior = layer.kernel_posterior
    with tf.GradientTape() as tape:
        total = bnn.ledger(layer)["0_dense/kernel"]
    loc, rho = tape.gradient(total, [v.value for v in layer.trainable_variables])
    s = posterior.scale
    np.testing.assert_allclose(loc, posterior.mean, rtol=1e-5)
    np.testing.assert_allclose(rho, (s - 1 / s) * s, rtol=1e-4, atol=1e-6)  # ds/dρ = s


@pytest.mark.parametrize("prior", [Normal(0.5, 2.0), ScaleMixture(0.3, 1.0, 0.1)])
def test_point_counts_minus_the_log_prior_density(prior, rng):
    layer = dense(Point(), prior, rng=rng)
    log_prob = prior.distribution().log_prob(layer.kernel_posterior.mean)
    assert kl(layer) == pytest.approx(-np.sum(log_prob), rel=1e-5)


# --- Monte Carlo --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prior", [ScaleMixture(0.25, 1.0, 0.2), ScaleMixture(0.6, 2.0, 0.05), ScaleMixture()]
)
@pytest.mark.parametrize(("m", "s"), [(0.0, 0.3), (0.7, 0.1), (-1.5, 0.02)])
def test_scale_mixture_against_quadrature(prior, m, s, z_limit):
    """The sum over n equal elements against n ∫ q ln(q/p), in standard errors √(n Var_q[ln p])."""
    rows, columns = 64, 1024
    layer = bnn.layers.Dense(
        columns,
        use_bias=False,
        kernel_posterior=MeanFieldNormal(s),
        kernel_prior=prior,
        kernel_initializer=keras.initializers.Constant(m),
    )
    layer.build((None, rows))
    w = np.linspace(m - 12 * s, m + 12 * s, 40_001)
    log_q = scipy.stats.norm.logpdf(w, m, s)
    log_p = np.logaddexp(
        np.log(prior.weight) + scipy.stats.norm.logpdf(w, 0, prior.wide_scale),
        np.log1p(-prior.weight) + scipy.stats.norm.logpdf(w, 0, prior.narrow_scale),
    )
    mean, squares, expected = (
        scipy.integrate.trapezoid(np.exp(log_q) * f, w) for f in (log_p, log_p**2, log_q - log_p)
    )
    n = rows * columns
    error = np.sqrt(n * (squares - mean**2))
    assert abs(kl(layer) - n * expected) / error < z_limit


def test_samples_are_averaged():
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    [site] = layer.sites
    noise = [Noise(5, 2, sample=k, purpose=1) for k in range(3)]
    prior = site.prior.distribution()
    log_prior = [tf.reduce_sum(prior.log_prob(site.posterior.sample(n))) for n in noise]
    entropy = tf.reduce_sum(site.posterior.distribution().entropy())
    expected = -float(entropy) - np.mean(log_prior)
    assert kl(layer, seed=5, step=2, num_samples=3) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("coordinate", ["seed", "step"])
def test_monte_carlo_noise_depends_on_seed_and_step(coordinate):
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    values = {kl(layer, **{coordinate: value}) for value in (0, 1, 2)}
    assert len(values) == 3
    assert kl(layer, **{coordinate: 2}) == kl(layer, **{coordinate: tf.constant(2)})


def test_equal_sites_have_noise_of_their_own():
    options = {"kernel_prior": ScaleMixture(), "kernel_initializer": "zeros", "use_bias": False}
    model = keras.Sequential(
        [keras.Input((3,)), bnn.layers.Dense(3, **options), bnn.layers.Dense(3, **options)]
    )
    one, other = bnn.ledger(model).values()
    assert abs(float(one - other)) > 1e-3


def test_the_noise_of_the_outputs_is_not_reused():
    """The Monte-Carlo KL has its own purpose: at equal coordinates the weights differ."""
    noise = Noise(0)
    assert np.min(np.abs(noise.normal((9,)) - Noise(0, purpose=1).normal((9,)))) > 1e-4


# --- The ledger's invariances -------------------------------------------------------------------


def test_total_depends_on_nothing_but_the_parameters(rng):
    model = small_model()
    before = {name: float(value) for name, value in bnn.ledger(model).items()}

    @tf.function
    def total(x):
        with bnn.Draw(0, bnn.estimators.Mean()):
            model(x)
            model(x)
        return bnn.ledger(model)

    for batch in (1, 7):  # traced again for each
        x = tf.constant(rng.normal(size=(batch, 3)), tf.float32)
        with bnn.Draw(0, bnn.estimators.Reparameterization()):
            model(x)
        for ledger in (total(x), bnn.ledger(model)):
            assert list(ledger) == list(before)
            for name, value in ledger.items():
                assert float(value) == pytest.approx(before[name], rel=1e-6)


def test_equal_in_every_mode(modes):
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    for value in modes(lambda seed: bnn.ledger(layer, seed=seed), tf.constant(3)).values():
        assert float(value["0_dense/kernel"]) == pytest.approx(kl(layer, seed=3), rel=1e-5)


def test_values_are_float32_scalars_under_mixed_precision():
    layer = bnn.layers.Dense(2, dtype="mixed_float16", kernel_prior=ScaleMixture())
    layer.build((None, 3))
    for value in bnn.ledger(layer).values():
        assert value.dtype == tf.float32
        assert value.shape == ()


def test_sum_not_mean():
    """Twice the elements with the same q and p have twice the KL."""
    sizes = [kl(dense(MeanFieldNormal(0.1), shape=(n, 2))) for n in (1000, 2000)]
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=1e-3)


# --- Names ------------------------------------------------------------------------------------


def test_names_do_not_depend_on_automatic_layer_names():
    names = ["0_dense/kernel", "0_dense/bias", "1_dense/kernel", "1_dense/bias"]
    for _ in range(2):  # Keras calls the layers dense, dense_1, dense_2 …
        assert list(bnn.ledger(small_model())) == names


def test_a_shared_layer_counts_once():
    layer = bnn.layers.Dense(3)
    x = keras.Input((3,))
    model = keras.Model(x, layer(layer(layer(x))))
    assert list(bnn.ledger(model)) == ["0_dense/kernel", "0_dense/bias"]


def test_nested_models_are_numbered_in_order():
    inner = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(3), bnn.layers.Dense(4)])
    model = keras.Sequential(
        [
            keras.Input((1,)),
            bnn.layers.Dense(2, use_bias=False),
            inner,
            keras.layers.Dense(9),
            bnn.layers.Dense(5, use_bias=False),
        ]
    )
    shapes = {name: site.posterior.shape for name, site in bnn.sites(model).items()}
    assert shapes == {
        "0_dense/kernel": (1, 2),
        "1_dense/kernel": (2, 3),
        "1_dense/bias": (3,),
        "2_dense/kernel": (3, 4),
        "2_dense/bias": (4,),
        "3_dense/kernel": (9, 5),
    }


def test_names_of_convolutions_and_of_layers_in_lists():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [bnn.layers.Conv2D(2, 2), bnn.layers.Conv2D(3, 2, use_bias=False)]
            self.flatten = keras.layers.Flatten()
            self.head = bnn.layers.Dense(1)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(self.flatten(x))

    model = Model()
    model(tf.zeros((1, 4, 4, 1)))
    names = [
        "0_conv2d/kernel",
        "0_conv2d/bias",
        "1_conv2d/kernel",
        "2_dense/kernel",
        "2_dense/bias",
    ]
    assert list(bnn.sites(model)) == names


def test_a_layer_alone_is_a_model():
    assert list(bnn.ledger(dense())) == ["0_dense/kernel"]


# --- Errors -----------------------------------------------------------------------------------


def test_model_without_bayesian_layer():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="plain")
    with pytest.raises(
        ValueError, match=r"model 'plain' has no Bayesian layer; use bnn\.layers\.Dense"
    ):
        bnn.ledger(model)


def test_model_without_variables():
    model = keras.Sequential([bnn.layers.Dense(2, name="first")], name="unbuilt")
    with pytest.raises(
        ValueError, match=r"layer 'first' of model 'unbuilt' has no variables yet; .*keras\.Input"
    ):
        bnn.ledger(model)


@pytest.mark.parametrize("num_samples", [0, -1])
def test_unusable_num_samples(num_samples):
    with pytest.raises(ValueError, match=f"num_samples must be at least 1, got {num_samples}"):
        bnn.ledger(dense(), num_samples=num_samples)
