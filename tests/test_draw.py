import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.draw import current_draw
from bnn.estimators import Flipout, Mean, Reparameterization, ScoreFunction
from bnn.noise import Noise, Purpose


@pytest.fixture
def model():
    """Two random layers and a deterministic one, wide posteriors."""
    options = {
        "kernel_posterior": bnn.posteriors.MeanFieldNormal(0.5),
        "bias_posterior": bnn.posteriors.MeanFieldNormal(0.3),
    }
    point = {f"{name}_posterior": bnn.posteriors.Point() for name in ("kernel", "bias")}
    return keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(4, activation="tanh", **options),
            bnn.layers.Dense(3, **point),
            bnn.layers.Dense(2, **options),
        ]
    )


@pytest.fixture
def layer():
    """One site, for the tests in graphs: each site takes a second to trace and compile."""
    layer = bnn.layers.Dense(
        2, use_bias=False, kernel_posterior=bnn.posteriors.MeanFieldNormal(0.5)
    )
    layer.build((None, 3))
    return layer


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 3)), tf.float32)


def outputs(model, x, estimator=None, **coordinates):
    with bnn.Draw(Noise(**{"seed": 0, **coordinates}), estimator or Reparameterization()):
        return model(x).numpy()


# --- One draw, one realisation ----------------------------------------------------------------


@pytest.mark.parametrize("estimator", [Reparameterization(), Flipout(), ScoreFunction()])
def test_the_same_draw_gives_the_same_weights_however_often_the_model_is_called(
    model, x, estimator
):
    with bnn.Draw(seed=0, estimator=estimator) as draw:
        first, second = model(x), model(x)
        score = draw.score
        model(x)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(draw.score, score)  # counted once


@pytest.mark.parametrize("estimator", [Reparameterization(), ScoreFunction()])
def test_weights_serve_batches_of_every_size(model, x, estimator):
    with bnn.Draw(seed=0, estimator=estimator):
        whole, part = model(x), model(x[:2])
    np.testing.assert_allclose(part, whole[:2], rtol=1e-5, atol=1e-6)


def test_flipout_has_signs_for_one_batch(model, x):
    message = "Flipout has signs for the 5 examples of .* called again with 2; .*Reparameterization"
    with bnn.Draw(seed=0, estimator=Flipout()):
        model(x)
        with pytest.raises(ValueError, match=message):
            model(x[:2])


def test_the_same_coordinates_give_the_same_draw_in_another_object(model, x):
    place = {"seed": 3, "step": 4, "sample": 5, "replica": 6}
    np.testing.assert_array_equal(outputs(model, x, **place), outputs(model, x, **place))


@pytest.mark.parametrize("coordinate", ["seed", "step", "sample", "replica"])
def test_every_coordinate_selects_other_weights(model, x, coordinate):
    values = [outputs(model, x, **{coordinate: value}) for value in range(3)]
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        assert np.min(np.abs(values[i] - values[j])) > 1e-4


def test_equal_in_every_mode(layer, x, modes):
    def run(x, seed, step):
        with bnn.Draw(seed, Reparameterization(), step=step, sample=2):
            return layer(x)

    # as keywords beside the seed, or as a Noise: the same draw
    expected = outputs(layer, x, seed=9, step=7, sample=2)
    for y in modes(run, x, tf.constant(9), tf.constant(7)).values():
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_sites_are_numbered_in_the_order_of_the_model(model, x):
    """Kernel and bias of three layers are the sites 0 … 5, deterministic ones included."""
    w = [s.posterior.sample(Noise(8, site=i)) for i, s in enumerate(bnn.sites(model).values())]
    h = tf.tanh(x @ w[0] + w[1]) @ w[2] + w[3]
    np.testing.assert_allclose(outputs(model, x, seed=8), h @ w[4] + w[5], rtol=1e-4, atol=1e-5)


def test_a_repeated_layer_has_one_weight_sample_and_counts_once(x):
    layer = bnn.layers.Dense(3, bias_posterior=bnn.posteriors.Point())
    x_in = keras.Input((3,))
    model = keras.Model(x_in, layer(layer(x_in)))
    with bnn.Draw(seed=1, estimator=ScoreFunction()) as draw:
        y = model(x)
    kernel, bias = layer.sites
    w = kernel.posterior.sample(Noise(1))
    np.testing.assert_allclose(y, (x @ w + bias.posterior.mean) @ w, rtol=1e-4, atol=1e-5)
    log_q = tf.reduce_sum(kernel.posterior.distribution().log_prob(w))
    assert float(draw.score) == pytest.approx(float(log_q), rel=1e-5)


def test_a_layer_applied_at_every_time_step_has_one_weight_sample():
    model = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.TimeDistributed(bnn.layers.Dense(2))]
    )
    y = outputs(model, tf.ones((2, 6, 3)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:1, :1], y.shape))
    assert len(bnn.sites(model)) == 2


# --- Score and weight --------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [Reparameterization(), Flipout(), Mean()])
def test_score_of_pathwise_estimators_is_zero(model, x, estimator):
    with bnn.Draw(seed=0, estimator=estimator) as draw:
        model(x)
    assert draw.score.shape == ()
    assert draw.score.dtype == tf.float32
    assert float(draw.score) == 0
    assert float(draw.log_weight) == 0


def test_score_is_the_log_density_of_the_random_sites(model, x):
    with bnn.Draw(seed=2, estimator=ScoreFunction()) as draw:
        model(x)
    expected = 0.0
    for number, site in enumerate(bnn.sites(model).values()):
        if not site.posterior.deterministic:
            w = site.posterior.sample(Noise(2, site=number))
            expected += tf.reduce_sum(site.posterior.distribution().log_prob(w))
    assert float(draw.score) == pytest.approx(float(expected), rel=1e-5)


def test_a_draw_takes_a_noise_as_it_is(model, x):
    noise = Noise(3, 4, sample=5, replica=6, purpose=Purpose.METHOD, antithetic=True)
    draw = bnn.Draw(noise, Reparameterization())
    assert draw.noise is noise
    with draw:
        y = model(x)
    sites = bnn.sites(model).values()
    w = [s.posterior.sample(noise.at(site=i)) for i, s in enumerate(sites)]
    expected = (tf.tanh(x @ w[0] + w[1]) @ w[2] + w[3]) @ w[4] + w[5]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_score_before_any_call_is_zero():
    with bnn.Draw(seed=0, estimator=Mean()) as draw:
        pass
    assert float(draw.score) == 0


# --- Weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [Reparameterization(), ScoreFunction()])
def test_weights_are_those_that_made_the_outputs(model, x, estimator):
    with bnn.Draw(seed=2, estimator=estimator) as draw:
        y = model(x)
    sites = list(bnn.sites(model).values())
    assert list(draw.weights) == sites
    w = list(draw.weights.values())
    expected = (tf.tanh(x @ w[0] + w[1]) @ w[2] + w[3]) @ w[4] + w[5]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(w[2], sites[2].posterior.mean)  # the deterministic layer


@pytest.mark.parametrize("estimator", [Flipout(), bnn.estimators.LocalReparameterization()])
def test_no_weights_where_every_example_has_its_own(x, estimator):
    layer = bnn.layers.Dense(2, name="head")
    layer.build((None, 3))
    with bnn.Draw(seed=2, estimator=estimator) as draw:
        layer(x)
    with pytest.raises(
        ValueError,
        match=rf"{type(estimator).__name__} does not realise one weight tensor .*'head/kernel'",
    ):
        _ = draw.weights


# --- The context ------------------------------------------------------------------------------


def test_nesting_restores_the_outer_draw(model, x):
    outer, inner = (outputs(model, x, seed=seed) for seed in (0, 1))
    with bnn.Draw(0, Reparameterization()) as draw:
        assert current_draw() is draw
        with bnn.Draw(1, Reparameterization()):
            np.testing.assert_array_equal(model(x), inner)
        np.testing.assert_array_equal(model(x), outer)
        assert current_draw() is draw
    assert current_draw() is None


def test_an_exception_closes_the_draw():
    with pytest.raises(KeyError), bnn.Draw(0, Mean()):
        raise KeyError
    assert current_draw() is None


def test_another_thread_does_not_see_the_draw():
    seen = []
    with bnn.Draw(0, Mean()):
        thread = threading.Thread(target=lambda: seen.append(current_draw()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_example_offset_reaches_the_noise_of_examples(model, x):
    whole = outputs(model, x, Flipout())
    part = outputs(model, x[3:], Flipout(), example_offset=3)
    np.testing.assert_allclose(part, whole[3:], rtol=1e-4, atol=1e-5)


def test_a_step_counter_is_read_at_the_draw(model, x):
    step = keras.Variable(5, dtype="int64", trainable=False)
    with bnn.Draw(0, Reparameterization(), step=step):
        step.assign(6)
        y = model(x)
    np.testing.assert_array_equal(y, outputs(model, x, step=5))


# --- Graphs -----------------------------------------------------------------------------------


def test_a_graph_is_traced_once_for_all_steps(layer, x):
    traces = []

    @tf.function
    def run(x, step):
        traces.append(step)
        with bnn.Draw(0, Reparameterization(), step=step):
            return layer(x)

    for step in range(3):
        expected = outputs(layer, x, step=step)
        np.testing.assert_allclose(run(x, tf.constant(step)), expected, rtol=1e-4, atol=1e-5)
    assert len(traces) == 1


def test_a_function_inside_of_a_draw_is_an_error(layer, x):
    """It is traced once for all draws: the first draw's weights would be frozen into it."""
    inner = tf.function(lambda x: layer(x))

    @tf.function
    def run(x):
        with bnn.Draw(0, Reparameterization()):
            return inner(x)

    with pytest.raises(RuntimeError, match=r"this Draw was opened outside of the tf\.function"):
        run(x)


def test_draw_opened_outside_of_the_function_is_an_error(model, x):
    run = tf.function(lambda x: model(x))
    with (
        bnn.Draw(0, Reparameterization()),
        pytest.raises(RuntimeError, match=r"this Draw was opened outside of the tf\.function"),
    ):
        run(x)


def test_draw_left_open_by_another_function_is_an_error(model, x):
    draw = bnn.Draw(0, Reparameterization())

    @tf.function
    def leave_open():
        draw.__enter__()
        return tf.constant(0)

    leave_open()
    run = tf.function(lambda x: model(x))
    with pytest.raises(RuntimeError, match=r"(?s)would be frozen.*with bnn\.Draw\(seed=0"):
        run(x)
    draw.__exit__()
    assert current_draw() is None


# --- Errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [Flipout, "flipout", None])
def test_estimator_that_is_no_estimator(estimator):
    with pytest.raises(ValueError, match=r"estimator must be an estimator object.*parentheses"):
        bnn.Draw(0, estimator)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        ({"seed": 0.5}, "seed must be an int"),
        ({"step": -1}, "step must be an integer from 0 to 9223372036854775807, got -1"),
        ({"sample": 2**32}, "sample must be an integer from 0"),
    ],
)
def test_unusable_coordinates_are_found_when_the_draw_is_made(coordinates, message):
    with pytest.raises(ValueError, match=message):
        bnn.Draw(**{"seed": 0, **coordinates}, estimator=Mean())


@pytest.mark.parametrize("coordinate", ["step", "sample", "antithetic"])
def test_coordinates_beside_a_noise(coordinate):
    with pytest.raises(ValueError, match=f"{coordinate} must not be given beside a Noise"):
        bnn.Draw(Noise(0), Mean(), **{coordinate: 0})


def test_unfit_estimator_is_found_at_the_site(x):
    class Skewed(bnn.posteriors.MeanFieldNormal):
        symmetric = False

    layer = bnn.layers.Dense(2, kernel_posterior=Skewed())
    layer.build((None, 3))
    with (
        bnn.Draw(0, Flipout()),
        pytest.raises(ValueError, match="Flipout cannot serve the posterior Skewed"),
    ):
        layer(x)


def test_a_draw_is_entered_once(model, x):
    """Its weights would be those of the first time: no gradient reaches the variables any more."""
    with bnn.Draw(0, Reparameterization()) as draw:
        model(x)
    with pytest.raises(RuntimeError, match=r"a Draw is entered once: .* Make a new one"), draw:
        model(x)
    assert current_draw() is None
