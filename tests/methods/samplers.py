"""What the tests of samplers share: a small problem, its batches, and steps outside of a run."""

import functools

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.data import Batch, ResidentBatches
from bnn.methods import Problem
from bnn.noise import Noise
from bnn.posteriors import points
from bnn.training.stepper import identity

NUM_TRAIN = 24


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(NUM_TRAIN, 3)).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] > 0).astype(np.int32)


def point_model(**options):
    with points():
        layers = [bnn.layers.Dense(4, "tanh", **options), bnn.layers.Dense(2)]
    return keras.Sequential([keras.Input((3,)), *layers])


def problem(model=None, optimizer=None, total_steps=10, likelihood=None, make_model=point_model):
    return Problem(
        model=model or point_model(),
        likelihood=likelihood or bnn.likelihoods.Categorical(),
        num_train=NUM_TRAIN,
        total_steps=total_steps,
        seed=5,
        optimizer=None if optimizer is None else keras.optimizers.get(optimizer),
        jit_compile=False,
        make_model=make_model,
    )


def built(method, **options):
    method.build(problem(**options))
    return method


@functools.cache
def batches(batch_size=8):
    return ResidentBatches(*data(), batch_size=batch_size, seed=5)


def regression():
    """All of the data, with two columns of targets."""
    x, y = data()
    return Batch(tf.constant(x), tf.constant(np.stack([x[:, 1], y], 1), tf.float32))


def noise_of(step):
    return Noise(5, tf.constant(step, tf.int64))


def run(method, first, last, batch_size=8):
    """Steps first, …, last − 1, with the archive's notes: what they said."""
    from_data, said = batches(batch_size), []
    for step in range(first, last):
        said.append(method.step(from_data.at(step), noise_of(step), identity))
        method.archive.note(step + 1)
    return said


def values(method):
    return [v.numpy() for v in method.problem.model.trainable_variables]


def slopes(method, batch):
    """∇U / N by weight, by hand."""
    with tf.GradientTape() as tape:
        loss = method.loss(batch, noise_of(0)).loss
    return [g.numpy() for g in tape.gradient(loss, [w.value for w in method.weights])]
