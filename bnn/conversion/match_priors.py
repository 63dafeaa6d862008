"""Priors of weights chosen by the functions that they give."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.draw import PriorDraw
from bnn.noise import Noise, Purpose
from bnn.priors import FunctionSpaceNormal
from bnn.priors.processes import Process
from bnn.sites import sites

_PROCESS = 2**16 - 2  # site of the process's own noise


def match_priors(
    model: keras.Model,
    process: Process,
    inputs: Any,
    *,
    steps: int = 500,
    num_samples: int = 64,
    num_points: int = 32,
    learning_rate: float = 0.02,
    seed: int = 0,
) -> np.ndarray:
    """Chooses the scales of all `FunctionSpaceNormal` priors: f(x; w), w ~ p, as functions g ~ GP.

    The functional prior of Tran, Rossi, Milios & Filippone (2022, section 4): the distance of the
    two laws of functions, at points of the inputs' region, is minimised in the priors' parameters.
    Where the paper has a Wasserstein distance, with a critic that is trained beside it, here it is
    the energy distance (Székely & Rizzo 2013), which is zero for equal laws alone, too, and which
    samples estimate without bias: of S functions each, at M points of a step,

        D = 2 E‖f − g‖ − E‖f − f'‖ − E‖g − g'‖

    Every output of the model is matched to a function of its own. Other priors stay as they are.

    Args:
      model: built, with at least one `FunctionSpaceNormal`.
      process: the law that functions shall have.
      inputs: `[R, …]`, from whose rows the points are taken, such as the training inputs or a grid.
      steps: of Adam.
      num_samples: S, at least 2.
      num_points: M, at most R.
      learning_rate: of Adam, in ln s, at the start; falls to 0 along half a cosine.
      seed: of points, functions and processes.

    Returns:
      D of every step over √(M · outputs), `[steps]`.

    Raises:
      ValueError: no such prior; too few inputs or samples; priors that are not normal.
    """
    variables, inputs = _matched(model), np.asarray(inputs, np.float32)
    _check_sizes(len(inputs), num_points, num_samples)
    rng = np.random.default_rng(seed)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(variables)
    values = [v.value for v in variables]

    @tf.function(autograph=False)
    def step(points: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        noise = Noise(seed, number, purpose=Purpose.PROBE)
        with tf.GradientTape() as tape:
            tape.watch(values)
            distance = functional_distance(model, process, points, num_samples, noise)
        optimizer.apply(tape.gradient(distance, values), variables)
        return distance

    found = []
    for number in range(steps):
        points = inputs[rng.choice(len(inputs), num_points, replace=False)]
        found.append(float(step(tf.constant(points), tf.constant(number))))
    return np.array(found)


def _matched(model: keras.Model) -> list[keras.Variable]:
    found = [
        variable
        for site in sites(model).values()
        if isinstance(site.prior, FunctionSpaceNormal)
        for variable in site.prior.variables
    ]
    if not found:
        raise ValueError(
            f"model {model.name!r} must have a prior to match, got none; give its layers "
            "kernel_prior=bnn.priors.FunctionSpaceNormal()."
        )
    for name, site in sites(model).items():
        if not hasattr(site.prior, "current_scale") or not hasattr(site.prior, "loc"):
            raise ValueError(
                "functions of the prior that are matched need normal priors of independent "
                f"elements, got {type(site.prior).__name__} at site {name!r}; use "
                "bnn.priors.FunctionSpaceNormal() or bnn.priors.Normal()."
            )
    return found


def _check_sizes(num_inputs: int, num_points: int, num_samples: int) -> None:
    if not 1 <= num_points <= num_inputs:
        raise ValueError(
            f"num_points must be from 1 to the {num_inputs} inputs, got {num_points}; lower it or "
            "give more inputs."
        )
    if num_samples < 2:
        raise ValueError(
            f"num_samples must be at least 2, got {num_samples}: pairs are compared; 64 is usual."
        )


def functional_distance(
    model: keras.Model, process: Process, points: tf.Tensor, num_samples: int, noise: Noise
) -> tf.Tensor:
    """D of the model's prior and of a process at points `[M, …]` over √(M · outputs), scalar."""

    def one(sample: tf.Tensor) -> tf.Tensor:
        with PriorDraw(noise.at(sample=sample)):
            return tf.reshape(tf.cast(model(points, training=False), tf.float32), [-1])

    functions = tf.vectorized_map(one, tf.range(num_samples))
    size = points.shape[0]
    outputs = functions.shape[1] // size
    flat = tf.reshape(points, [size, -1])
    targets = process.sample(flat, num_samples * outputs, noise.at(site=_PROCESS))
    targets = tf.reshape(targets, [num_samples, outputs, size])
    targets = tf.reshape(tf.transpose(targets, [0, 2, 1]), [num_samples, -1])
    return energy_distance(functions, targets) / float(size * outputs) ** 0.5


def energy_distance(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """2 E‖a − b‖ − E‖a − a'‖ − E‖b − b'‖ of samples `[S, n]` each, without bias; scalar."""
    count = first.shape[0]
    pairs = count * (count - 1)
    across = tf.reduce_sum(_distances(first, second)) / count**2
    within = sum(tf.reduce_sum(_distances(s, s)) / pairs for s in (first, second))
    return 2 * across - within


def _distances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """‖a − b‖ of all pairs, `[S, S]`; with gradient zero where they are equal."""
    squares = tf.reduce_sum(tf.square(first[:, tf.newaxis] - second), axis=-1)
    positive = squares > 0
    return tf.where(positive, tf.sqrt(tf.where(positive, squares, 1.0)), 0.0)
