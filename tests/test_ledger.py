"""The ledger of a model: its invariances, its names, and what it takes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.divergences import MonteCarlo, Quadrature
from bnn.ledger import elementwise_kl
from bnn.noise import Noise, Purpose
from bnn.posteriors import MeanFieldNormal
from bnn.priors import ScaleMixture


def dense(posterior=None, prior=None, shape=(3, 2)):
    """A built layer without bias."""
    layer = bnn.layers.Dense(
        shape[1], use_bias=False, kernel_posterior=posterior, kernel_prior=prior
    )
    layer.build((None, shape[0]))
    return layer


def kl(layer, **options):
    return float(bnn.ledger(layer, **options)["0_dense/kernel"])


def small_model():
    return keras.Sequential(
        [keras.Input((3,)), bnn.layers.Dense(4, activation="relu"), bnn.layers.Dense(2)]
    )


# --- Noise --------------------------------------------------------------------------------------


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
    kl_noise = Noise(0, purpose=Purpose.KL)
    assert np.min(np.abs(noise.normal((9,)) - kl_noise.normal((9,)))) > 1e-4


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


def test_a_model_without_sites_has_an_empty_ledger():
    assert bnn.ledger(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])) == {}


def test_noise_or_seed_and_step():
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    value = kl(layer, seed=3, step=4)
    assert kl(layer, noise=Noise(3, 4)) == value
    # the objective's coordinates change nothing: they are the ledger's own to choose
    moved = Noise(3, 4, sample=7, replica=2, purpose=Purpose.PREDICTION, antithetic=True)
    assert kl(layer, noise=moved) == value


def test_estimates_by_pattern():
    options = {"kernel_prior": ScaleMixture(), "bias_prior": ScaleMixture()}
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2, **options)])
    samples, nodes = MonteCarlo(8), Quadrature(32)
    both = {e: bnn.ledger(model, seed=3, kl=e) for e in (samples, nodes)}
    mixed = bnn.ledger(model, seed=3, kl={"*/kernel": nodes, "*": samples})
    assert float(mixed["0_dense/kernel"]) == float(both[nodes]["0_dense/kernel"])
    assert float(mixed["0_dense/bias"]) == float(both[samples]["0_dense/bias"])


def test_shares_of_the_weights_add_up_to_the_site():
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    [site] = layer.sites
    shares = elementwise_kl(site, Noise(3))
    assert shares.shape == (3, 2)
    assert float(tf.reduce_sum(shares)) == pytest.approx(kl(layer, seed=3), rel=1e-5)


def test_dependent_weights_have_no_shares():
    class Dependent(MeanFieldNormal):
        factorized = False

    [site] = dense(Dependent()).sites
    message = "posterior Dependent must be factorized to share out its KL .*; use site_kl for"
    with pytest.raises(ValueError, match=message):
        elementwise_kl(site, Noise(0))


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


def test_coordinates_beside_a_noise():
    with pytest.raises(ValueError, match="seed, step must not be given beside a Noise"):
        bnn.ledger(dense(), noise=Noise(0), seed=0, step=1)
