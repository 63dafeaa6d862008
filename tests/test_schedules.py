import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.schedules import Constant, Cosine, CosineCycles, Cyclical, LinearWarmup

GRID = np.linspace(0, 1, 41).astype(np.float32)
SCHEDULES = {
    "constant": Constant(0.3),
    "warmup": LinearWarmup(0.8, 0.25, 0.1),
    "cyclical": Cyclical(0.7, 3, 0.4),
    "cosine": Cosine(0.5, 0.1, 0.2),
}
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def values(schedule, grid=GRID):
    return np.array([schedule(p) for p in grid])


def test_constant():
    np.testing.assert_array_equal(values(Constant()), np.ones(41))
    np.testing.assert_allclose(values(Constant(0.1)), np.full(41, 0.1), rtol=1e-6)


@pytest.mark.parametrize("value", [1.0, 0.3])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("start", [0.0, 0.2])
def test_linear_warmup(value, fraction, start):
    expected = start + (value - start) * np.minimum(GRID / fraction, 1)
    actual = values(LinearWarmup(value, fraction, start))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("value", [1.0, 0.3])
@pytest.mark.parametrize("cycles", [1, 4])
@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_cyclical(value, cycles, fraction):
    position = np.where(GRID < 1, np.mod(GRID.astype(np.float64) * cycles, 1), 1)
    expected = value * np.minimum(position / fraction, 1)
    actual = values(Cyclical(value, cycles, fraction))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_cyclical_restarts_at_zero_and_ends_with_the_whole_value():
    schedule = Cyclical(2.0, cycles=4, fraction=0.5)
    assert [float(schedule(p)) for p in (0.0, 0.25, 0.5, 0.75)] == [0, 0, 0, 0]
    assert [float(schedule(p)) for p in (0.125, 0.2, 0.9, 1.0)] == [2, 2, 2, 2]


@pytest.mark.parametrize("value", [1.0, 1e-3])
@pytest.mark.parametrize("final", [0.0, 1e-4])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_cosine(value, final, warmup):
    p = GRID
    u = np.maximum(p - warmup, 0) / (1 - warmup)
    expected = final + (value - final) * (1 + np.cos(np.pi * u)) / 2
    if warmup:
        expected = np.where(p < warmup, value * p / warmup, expected)
    actual = values(Cosine(value, final, warmup))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * value)


def test_cosine_ends():
    schedule = Cosine(1.0, 0.1, warmup=0.2)
    assert float(schedule(0.0)) == 0
    assert float(schedule(0.2)) == pytest.approx(1)
    assert float(schedule(1.0)) == pytest.approx(0.1)


@EACH
@pytest.mark.parametrize("progress", [0, 0.3, 1, tf.constant(0.5), tf.constant(0.5, tf.float64)])
def test_value_is_a_float32_scalar(schedule, progress):
    value = schedule(progress)
    assert value.dtype == tf.float32
    assert value.shape == ()


@EACH
def test_equal_in_every_mode(schedule, modes):
    for value in modes(schedule, tf.constant(0.15)).values():
        assert float(value) == pytest.approx(float(schedule(0.15)), rel=1e-6)


@EACH
def test_beyond_the_end_the_last_value_stays(schedule):
    assert float(schedule(1.5)) == pytest.approx(float(schedule(1.0)), rel=1e-6)


def test_for_keras_gives_the_learning_rate_of_each_step():
    schedule = Cosine(0.5, 0.1)
    optimizer = keras.optimizers.SGD(schedule.for_keras(total_steps=4))
    variable = keras.Variable(0.0)
    optimizer.build([variable])
    for step in range(4):
        before = float(variable)
        optimizer.apply_gradients([(tf.constant(1.0), variable)])
        assert before - float(variable) == pytest.approx(float(schedule(step / 4)), rel=1e-4)


def test_for_keras_has_no_keras_configuration():
    with pytest.raises(NotImplementedError, match="described by the run's gin configuration"):
        Constant().for_keras(10).get_config()


@pytest.mark.parametrize("kind", [Constant, LinearWarmup, Cyclical, Cosine])
def test_gin_builds_each(kind):
    with gin.unlock_config():
        gin.clear_config()
        gin.parse_config(f"bnn.schedules.{kind.__name__}.value = 0.25")
        try:
            schedule = gin.get_configurable(f"bnn.schedules.{kind.__name__}")()
        finally:
            gin.clear_config()
    assert isinstance(schedule, kind)
    assert schedule.value == 0.25


@pytest.mark.parametrize("kind", [Constant, LinearWarmup, Cyclical, Cosine])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_value_that_is_not_finite(kind, value):
    with pytest.raises(ValueError, match=f"value must be a finite number, got {value}"):
        kind(value)


@pytest.mark.parametrize("kind", [LinearWarmup, Cyclical])
@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_unusable_fraction(kind, fraction):
    with pytest.raises(ValueError, match=f"fraction must be above 0 and at most 1, got {fraction}"):
        kind(fraction=fraction)


@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_unusable_warmup(warmup):
    with pytest.raises(ValueError, match=f"warmup must be at least 0 and below 1, got {warmup}"):
        Cosine(1.0, warmup=warmup)


def test_unusable_cycles():
    with pytest.raises(ValueError, match="cycles must be at least 1, got 0"):
        Cyclical(cycles=0)


@pytest.mark.parametrize(("kind", "name"), [(LinearWarmup, "start"), (Cosine, "final")])
def test_other_end_that_is_not_finite(kind, name):
    with pytest.raises(ValueError, match=f"{name} must be a finite number, got nan"):
        kind(1.0, **{name: float("nan")})


@pytest.mark.parametrize("kind", [Constant, LinearWarmup, Cyclical, Cosine, CosineCycles])
def test_values_below_zero(kind):
    with pytest.raises(ValueError, match=r"value must be at least 0, got -0\.5: neither a KL wei"):
        kind(-0.5)
    assert float(kind(0.0)(0.5)) == 0


@pytest.mark.parametrize(("kind", "name"), [(LinearWarmup, "start"), (Cosine, "final")])
def test_other_end_below_zero(kind, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0, got -1"):
        kind(1.0, **{name: -1.0})
