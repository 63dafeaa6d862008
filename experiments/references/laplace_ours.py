"""Laplace approximations of small networks by bnn."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, Likelihood, Normal
from bnn.methods import Laplace
from experiments.references.problems import PRECISION, Network

_STEPS, _RATE = 400, 0.02


def model(network: Network) -> keras.Model:
    """With the network's weights, all of them `Point`s."""
    *_, last = network.weights
    options = {"kernel_posterior": bnn.posteriors.Point()}
    bias = {**options, "bias_posterior": bnn.posteriors.Point()}
    if network.window is None:
        first: list[Any] = [bnn.layers.Dense(len(network.weights[1]), "tanh", **bias)]
    else:
        filters = network.weights[0].shape[-1]
        convolution = bnn.layers.Conv2D(
            filters, network.window, activation="tanh", use_bias=False, **options
        )
        first = [convolution, keras.layers.Flatten()]
    layers = [*first, bnn.layers.Dense(len(last), **bias)]
    found = keras.Sequential([keras.Input(network.inputs.shape[1:]), *layers])
    for variable, value in zip(found.trainable_variables, network.weights, strict=True):
        variable.assign(value)
    return found


def likelihood(network: Network) -> Likelihood:
    """Of classes, or of numbers with the network's noise."""
    return Categorical() if network.noise is None else Normal(scale=network.noise)


def descend(network: Network) -> list[np.ndarray]:
    """The weights after some steps of Adam with all data down −ln p(y | w) − ln p(w)."""
    fitted, family = model(network), likelihood(network)
    family.build(family.num_targets(len(network.weights[-1])))
    optimizer = keras.optimizers.Adam(_RATE)
    variables = fitted.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            fit = tf.reduce_sum(family.log_prob(fitted(network.inputs), network.targets))
            penalty = tf.add_n([tf.reduce_sum(tf.square(v)) for v in variables])
            loss = (0.5 * PRECISION * penalty - fit) / len(network.inputs)
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(_STEPS):
        step()
    return [v.numpy() for v in variables]


def evaluate(network: Network, structure: str, last: bool) -> dict[str, Any]:
    """Log marginal likelihood in nats, and outputs' variances at the points, `[B, C]`."""
    laplace = Laplace(structure, where="last" if last else None, prior_precision=PRECISION)
    laplace.fit(
        model(network),
        likelihood(network),
        (network.inputs, network.targets),
        batch_size=len(network.inputs),
        jit_compile=False,
    )
    covariance = laplace.output_moments(network.points)[1]
    return {
        "evidence": float(laplace.log_marginal_likelihood()),
        "variances": tf.linalg.diag_part(covariance).numpy().tolist(),
    }
