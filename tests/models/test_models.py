import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.posteriors import MeanFieldNormal, Point
from bnn.priors import Normal, ScaleMixture

SITES = {
    "kernel_posterior": MeanFieldNormal(0.3),
    "bias_posterior": Point(),
    "kernel_prior": ScaleMixture(),
    "bias_prior": Normal(scale=2.0),
}


def num_weights(model):
    """Number of random elements: each has a mean and a scale."""
    return sum(int(np.prod(site.posterior.shape)) for site in bnn.sites(model).values())


@pytest.mark.parametrize(
    ("input_shape", "num_outputs", "hidden", "expected"),
    [
        ((784,), 10, (400, 400), 784 * 400 + 400 + 400 * 400 + 400 + 400 * 10 + 10),
        ((8, 8, 1), 10, (200, 200), 64 * 200 + 200 + 200 * 200 + 200 + 200 * 10 + 10),
        ((3,), 1, (50,), 3 * 50 + 50 + 50 + 1),
        ([5], 2, [], 5 * 2 + 2),
    ],
)
def test_mlp(input_shape, num_outputs, hidden, expected):
    model = bnn.models.mlp(input_shape, num_outputs, hidden=hidden)
    assert model.output_shape == (None, num_outputs)
    assert model(tf.zeros((4, *input_shape))).shape == (4, num_outputs)
    assert num_weights(model) == expected
    assert model.count_params() == 2 * expected
    assert len(bnn.sites(model)) == 2 * (len(hidden) + 1)


@pytest.mark.parametrize("several", ["inputs", "targets", "both"])
def test_mlp_of_several_inputs_and_targets(several):
    shapes = {"image": (2, 2, 1), "left": (3,)} if several != "targets" else (2, 2, 1)
    numbers = {"price": 2, "kind": 3} if several != "inputs" else 4
    model = bnn.models.mlp(shapes, numbers, hidden=(5,))
    size, total = (4 + 3 if several != "targets" else 4), (5 if several != "inputs" else 4)
    assert num_weights(model) == size * 5 + 5 + 5 * total + total
    if several == "targets":
        x = tf.ones((6, 2, 2, 1))
    else:
        x = {name: tf.ones((6, *shape)) for name, shape in shapes.items()}
    outputs = model(x)
    if several == "inputs":
        assert outputs.shape == (6, 4)
    else:
        assert {name: y.shape[-1] for name, y in outputs.items()} == numbers


@pytest.mark.parametrize(
    ("input_shape", "num_outputs", "flat"),
    [((28, 28, 1), 10, 120), ((32, 30, 3), 5, 2 * 1 * 120)],
)
def test_lenet5(input_shape, num_outputs, flat):
    model = bnn.models.lenet5(input_shape, num_outputs)
    convolutions = 25 * input_shape[2] * 6 + 6 + 25 * 6 * 16 + 16 + 25 * 16 * 120 + 120
    expected = convolutions + flat * 84 + 84 + 84 * num_outputs + num_outputs
    assert model(tf.zeros((2, *input_shape))).shape == (2, num_outputs)
    assert num_weights(model) == expected
    assert model.count_params() == 2 * expected
    if input_shape == (28, 28, 1):
        assert expected == 61_706  # LeCun et al. 1998, with all maps of the second layer connected
    assert list(bnn.sites(model))[::2] == [
        "0_conv2d/kernel",
        "1_conv2d/kernel",
        "2_conv2d/kernel",
        "3_dense/kernel",
        "4_dense/kernel",
    ]


MODELS = pytest.mark.parametrize(
    ("make", "input_shape"),
    [(bnn.models.mlp, (4, 2)), (bnn.models.lenet5, (28, 28, 1))],
    ids=["mlp", "lenet5"],
)


@MODELS
def test_posteriors_and_priors_reach_every_site(make, input_shape):
    model = make(input_shape, 3, **SITES)
    for site in bnn.sites(model).values():
        given = SITES[f"{site.name}_posterior"], SITES[f"{site.name}_prior"]
        for ours, theirs in zip((site.posterior, site.prior), given, strict=True):
            assert type(ours) is type(theirs)
            assert ours is not theirs
            assert ours.get_config() == theirs.get_config()


@MODELS
def test_activation_is_that_of_all_layers_but_the_last(make, input_shape):
    model = make(input_shape, 3, activation="tanh")
    *hidden, last = [x for x in model.layers if isinstance(x, bnn.layers.BayesianLayer)]
    assert {layer.activation for layer in hidden} == {keras.activations.tanh}
    assert last.activation is keras.activations.linear


@MODELS
def test_defaults(make, input_shape):
    model = make(input_shape, 3)
    for site in bnn.sites(model).values():
        assert isinstance(site.posterior, MeanFieldNormal)
        assert site.prior.get_config() == {"loc": 0.0, "scale": 1.0, "trainable": False}
    first = model.layers[0] if not isinstance(model.layers[0], keras.layers.Flatten) else None
    first = first or model.layers[1]
    assert first.activation is keras.activations.relu


def test_models_are_ordinary_keras_models(tmp_path):
    model = bnn.models.mlp((3,), 2, hidden=(4,), **SITES)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    x = tf.ones((2, 3))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_signal_keeps_its_variance_through_relu_layers():
    """He's rule: the mean square of each hidden layer's output is that of the input."""
    model = bnn.models.mlp((500,), 500, hidden=(500,) * 4)
    h = tf.constant(np.random.default_rng(0).normal(size=(50, 500)), tf.float32)
    for layer in model.layers[:-1]:
        h = layer(h)
        assert float(tf.reduce_mean(tf.square(h))) == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("input_shape", [(784,), (28, 28), (27, 28, 1)])
def test_lenet5_needs_images(input_shape):
    with pytest.raises(
        ValueError,
        match=r"input_shape must be \(height, width, channels\) with at least 28 x 28 .* got .*mlp",
    ):
        bnn.models.lenet5(input_shape, 10)
