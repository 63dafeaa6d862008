"""Components of a mixture without a score: stratified over the samples of a step."""

from __future__ import annotations

import tensorflow as tf

from bnn.noise import Noise

_STREAM = 14


def stratified_component(noise: Noise, count: int) -> tf.Tensor:
    """The component of this sample, scalar int32 from 0 to count − 1.

    (s + u) mod K for sample s, with u uniform on the components, one for all samples of a step and
    site. Each sample on its own is of a uniform component; any K samples in a row have each
    component once, so that the spread between components adds nothing to the variance of their
    mean. The two samples of an antithetic pair share a component.

    Args:
      noise: of the posterior in this draw.
      count: K.
    """
    place = tf.cast(noise.sample // 2 if noise.antithetic else noise.sample, tf.int32)
    common = noise.at(sample=0, antithetic=False, sobol=None).uniform([], _STREAM)
    offset = tf.minimum(tf.cast(common * count, tf.int32), count - 1)
    return tf.math.floormod(tf.math.floormod(place, count) + offset, count)
