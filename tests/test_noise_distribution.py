"""The distribution of the noise: along a stream, and across every coordinate."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn.noise import Noise, transforms

SIZE = 2**20


def draw(kind="normal", shape=(1 << 16,), stream=0, **coordinates):
    coordinates = {"seed": 0, **coordinates}
    return getattr(Noise(**coordinates), kind)(shape, stream).numpy()


def vary(coordinate, count, size):
    """Normals `[count, size]`, one row for each value of the coordinate from 0 on."""
    if coordinate == "stream":
        return np.stack([draw(shape=(size,), stream=i) for i in range(count)])
    if coordinate in ("site", "purpose", "part"):  # ints
        return np.stack([draw(shape=(size,), **{coordinate: i}) for i in range(count)])

    @tf.function(jit_compile=True)
    def rows():
        def row(i):
            return Noise(**{"seed": 0, coordinate: i}).normal((size,))

        return tf.map_fn(row, tf.range(count), fn_output_signature=tf.float32)

    return rows().numpy()


PLACES = pytest.mark.parametrize(
    "place",
    [{}, {"seed": 2**63, "step": 2**40, "site": 12, "sample": 31, "replica": 5000, "part": 2}],
    ids=["zero", "far"],
)


@PLACES
def test_moments(place, z_limit):
    x = draw(shape=(SIZE,), stream=1, **place).astype(np.float64)
    # E[x^k] and Var[x^k] = E[x^2k] - E[x^k]^2 of N(0, 1).
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        z = (np.mean(x**power) - mean) / np.sqrt(variance / SIZE)
        assert abs(z) < z_limit, power


@PLACES
def test_kolmogorov_smirnov(place, p_limit):
    assert scipy.stats.kstest(draw(shape=(SIZE,), **place), "norm").pvalue > p_limit
    assert scipy.stats.kstest(draw("uniform", (SIZE,), **place), "uniform").pvalue > p_limit


def test_tails(z_limit):
    size = 2**22
    x = draw(shape=(size,), seed=4)
    for limit, side in itertools.product((1, 2, 3, 3.5, 4), (-1, 1)):
        chance = scipy.stats.norm.sf(limit)
        count = np.sum(side * x > limit)
        z = (count - size * chance) / np.sqrt(size * chance * (1 - chance))
        assert abs(z) < z_limit, (limit, side)
    assert np.all(np.isfinite(x))
    assert 4.5 < np.max(np.abs(x)) < 5.5


@pytest.mark.parametrize("power", [1, 2])
def test_autocorrelation(power, z_limit):
    x = draw(shape=(SIZE,), seed=5).astype(np.float64) ** power
    x = (x - np.mean(x)) / np.std(x)
    for lag in (1, 2, 3, 4, 5, 7, 8, 16, 32, 100, 128, 256, 1024, 4096, 65536):
        z = np.mean(x[:-lag] * x[lag:]) * np.sqrt(SIZE - lag)
        assert abs(z) < z_limit, lag


@pytest.mark.parametrize(
    ("coordinate", "count"),
    [
        ("seed", 32),
        ("step", 32),
        ("sample", 32),
        ("replica", 32),
        ("site", 32),
        ("stream", 16),
        ("part", 16),
        ("purpose", 9),
    ],
)
def test_no_correlation_across_a_coordinate(coordinate, count, z_limit):
    size = 2**14
    x = vary(coordinate, count, size).astype(np.float64)
    for values in (x, x**2):  # a common scale would show in the squares
        correlation = np.corrcoef(values)[np.triu_indices(count, 1)]
        assert np.max(np.abs(correlation)) * np.sqrt(size) < z_limit


@pytest.mark.parametrize("coordinate", ["seed", "step", "sample", "replica", "site"])
def test_distribution_along_a_coordinate(coordinate, p_limit, z_limit):
    """A sequence that takes one number from each stream is as random as a stream."""
    count = 128 if coordinate == "site" else 4096
    x = vary(coordinate, count, 4).astype(np.float64)
    for column in x.T:
        assert scipy.stats.kstest(column, "norm").pvalue > p_limit
        for lag in (1, 2, 16):
            assert abs(np.mean(column[:-lag] * column[lag:])) * np.sqrt(count - lag) < z_limit


def test_signs_and_normals_of_one_site_are_independent(z_limit):
    x = [draw(stream=0), draw("signs", stream=1), draw("signs", stream=2)]
    x.append(x[1] * x[2])
    correlation = np.corrcoef(x)[np.triu_indices(4, 1)]
    assert np.max(np.abs(correlation)) * np.sqrt(1 << 16) < z_limit


def test_signs_are_exactly_plus_and_minus_one_and_balanced(z_limit):
    signs = draw("signs", (SIZE,))
    np.testing.assert_array_equal(np.unique(signs), [-1.0, 1.0])
    assert abs(np.sum(signs)) / np.sqrt(SIZE) < z_limit
    assert abs(np.sum(signs[1:] * signs[:-1])) / np.sqrt(SIZE) < z_limit


# --- Transforms of the bits, at every edge of their range -----------------------------------------


def leading_bits():
    """All bit patterns of the outer 2^12 normals on both sides, and a grid between, 24 bits."""
    edge = np.arange(2**12)
    return np.concatenate([edge, np.arange(2**12, 2**24, 1009), 2**24 - 1 - edge])


def as_words(leading):
    return tf.constant((leading.astype(np.uint64) << 8).astype(np.uint32))


def test_normal_is_the_inverse_cdf_of_the_bits(modes):
    leading = leading_bits()
    expected = scipy.special.ndtri((2 * leading + 1) / 2**25)
    results = modes(transforms.standard_normal, as_words(leading))
    for result in results.values():
        np.testing.assert_allclose(result, expected, rtol=5e-7)


def test_normal_is_finite_and_symmetric_for_every_bit_pattern():
    """The largest of the 2^24 uniforms once rounded to 1, and its normal to -inf."""
    leading = leading_bits()
    x = transforms.standard_normal(as_words(leading)).numpy()
    mirrored = transforms.standard_normal(as_words(2**24 - 1 - leading)).numpy()
    np.testing.assert_array_equal(mirrored, -x)
    assert np.all(np.abs(x) < 5.43)
    assert np.all(x != 0)


def test_uniform_lies_inside_the_open_interval_for_every_bit_pattern():
    x = transforms.uniform(tf.constant([0, 2**31 - 1, 2**31, 2**32 - 1], tf.uint32))
    half = 2.0**-24
    np.testing.assert_array_equal(x, [half, 0.5 - half, 0.5 + half, 1 - half])


def test_signs_are_the_bits_of_the_words():
    values = [0, 1, 2**31, 2**32 - 1, 0xA5A5F00F]
    bits = [[int(bit) for bit in f"{value:032b}"[::-1]] for value in values]
    x = transforms.signs(tf.constant(values, tf.uint32))
    np.testing.assert_array_equal(x, 1 - 2 * np.array(bits))
