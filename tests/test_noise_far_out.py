"""Coordinates and elements beyond 32 bits: folded, never cut off."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from bnn.noise import Noise, generator

SMALL = (3, 5)


def draw(kind, shape, **coordinates):
    return getattr(Noise(**{"seed": 0, **coordinates}), kind)(shape).numpy()


FAR = {
    "step": [0, 2**32, 2**40 + 1, 2**63 - 1, -1, -2, -(2**63)],
    "replica": [0, 1, 4096, 2**32, 2**32 + 1, 2**40, -1, -2],
    "sample": [0, 1, 4096, 2**32, 2**32 + 1, 2**40, -1, -2],
}


@pytest.mark.parametrize("coordinate", FAR)
def test_tensors_far_out_have_streams_of_their_own(coordinate, mode):
    """Folded, never cut off: as tensors and as ints, where these are taken."""

    @mode
    def bits(value):
        return Noise(0, **{coordinate: value}).bits((64,))

    rows = [bits(tf.constant(value, tf.int64)).numpy() for value in FAR[coordinate]]
    for one, other in itertools.combinations(rows, 2):
        assert len(np.intersect1d(one, other)) == 0
    for value, row in zip(FAR[coordinate], rows, strict=True):
        if 0 <= value < (2**63 if coordinate == "step" else 2**32):
            np.testing.assert_array_equal(draw("bits", (64,), **{coordinate: value}), row)


def test_narrow_negative_step_tensor_is_sign_extended():
    rows = [draw("bits", SMALL, step=tf.constant(-1, dtype)) for dtype in (tf.int32, tf.int64)]
    np.testing.assert_array_equal(*rows)
    assert not np.array_equal(rows[0], draw("bits", SMALL, step=2**32 - 1))


def test_elements_beyond_32_bits_do_not_wrap(mode):
    """A uint64 `first` below 2³² gives the plain words; beyond, words that no other element has."""
    key, sample = Noise(7).key(), tf.constant(3, tf.uint32)

    @mode
    def wide(first):
        return generator.words(key, first, 64, sample)

    def element(first):
        return wide(tf.constant(first, tf.uint64)).numpy()

    plain = generator.words(key, tf.constant(1000, tf.uint32), 64, sample)
    np.testing.assert_array_equal(element(1000), plain)
    across = element(2**32 - 32)
    np.testing.assert_array_equal(across[:32], element(2**32 - 64)[32:])
    np.testing.assert_array_equal(across[32:], element(2**32)[:32])
    rows = [element(first) for first in (0, 2**32, 2**33, 2**40)]
    assert len(np.unique(rows)) == 4 * 64


def test_an_offset_beyond_32_bits_of_elements_has_noise_of_its_own():
    """2³¹ examples of 4 numbers are 2³³ elements: cut off, they would be those from 0 on."""
    offsets = [0, 2**30, 2**31, 2**32 - 1]
    rows = [Noise(7, example_offset=n).bits((3, 4), per_example=True) for n in offsets]
    assert len(np.unique(rows)) == 4 * 12
    tensor = Noise(7, example_offset=tf.constant(2**31, tf.int64))
    np.testing.assert_array_equal(tensor.bits((3, 4), per_example=True), rows[2])
