"""tfp.layers on tf-keras, under tf.function, with and without XLA."""

from __future__ import annotations

import functools
import os
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TFP is imported: its layers need tf-keras

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from tensorflow_probability.python.layers import util

from experiments.speed import cases
from experiments.speed.cases import Case, forward
from experiments.speed.peers import Run, Variants, keras_ops

_DENSE = {
    "reparameterization": tfp.layers.DenseReparameterization,
    "lrt": tfp.layers.DenseLocalReparameterization,
    "flipout": tfp.layers.DenseFlipout,
}
_CONVOLUTION = {
    "reparameterization": tfp.layers.Convolution2DReparameterization,
    "flipout": tfp.layers.Convolution2DFlipout,
}


def _model(case: Case, estimator: str) -> tf_keras.Model:
    # The library's default bias is deterministic; ours is random, so is this one.
    options = {
        "bias_posterior_fn": util.default_mean_field_normal_fn(),
        "bias_prior_fn": util.default_multivariate_normal_fn,
    }

    def layer(i: int, x: Any) -> Any:
        of = case.layers[i]
        if of.dense:
            return _DENSE[estimator](of.outputs, **options)(x)
        padding = "same" if of.same else "valid"
        return _CONVOLUTION[estimator](
            of.outputs, of.size, strides=of.stride, padding=padding, **options
        )(x)

    inputs = tf_keras.Input(case.input_shape)
    ops = keras_ops(tf_keras.layers, tf.nn.relu)
    return tf_keras.Model(inputs, forward(case.network, inputs, layer, ops))


def _train(case: Case, estimator: str, jit_compile: bool, loop: bool) -> Run:
    model = _model(case, estimator)
    variables = list(model.trainable_variables)
    if case.regression:
        rho = tf.Variable(0.0)
        variables.append(rho)
    optimizer = tf_keras.optimizers.Adam(cases.LEARNING_RATE)
    optimizer.build(variables)
    x, y = case.data()
    xs = tf.constant(x.reshape(8, case.batch, *x.shape[1:]))
    ys = tf.constant(y.reshape(8, case.batch, *y.shape[1:]))
    batches = [(xs[i], ys[i]) for i in range(8)]

    def step(inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            if case.regression:
                scale = tf.math.softplus(rho)
                likelihood = tfp.distributions.Normal(outputs, scale).log_prob(targets)
            else:
                likelihood = -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
            kl = tf.add_n(model.losses) / case.num_train
            loss = kl - tf.reduce_mean(likelihood)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    if loop:

        @tf.function(jit_compile=jit_compile, autograph=False)
        def many(k: tf.Tensor) -> tf.Tensor:
            def body(i: tf.Tensor, loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                return i + 1, step(xs[i % 8], ys[i % 8])

            return tf.while_loop(lambda i, _: i < k, body, (tf.constant(0), tf.constant(0.0)))[1]

        return lambda k: many(tf.constant(k)).numpy()
    one = tf.function(step, jit_compile=jit_compile, autograph=False)

    def run(k: int) -> None:
        for i in range(k):
            loss = one(*batches[i % 8])
        loss.numpy()

    return run


def _predict(case: Case, jit_compile: bool) -> Run:
    model = _model(case, "reparameterization")
    x = np.random.default_rng(1).normal(size=(cases.PREDICTION_INPUTS, *case.input_shape))
    x = tf.constant(x, tf.float32)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def sample(x: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda _: model(x, training=False),
            tf.range(cases.PREDICTION_SAMPLES),
            fn_output_signature=tf.float32,
        )

    def run(k: int) -> None:
        for _ in range(k):
            sample(x).numpy()

    return run


def variants(case: Case) -> Variants:
    """Each estimator in both forms; loops of many steps too where a step is all overhead."""
    tf.config.threading.set_intra_op_parallelism_threads(2)
    found: Variants = {}
    for estimator in _DENSE:
        if estimator not in _CONVOLUTION and not all(layer.dense for layer in case.layers):
            continue
        for form, jit in (("graph", False), ("XLA", True)):
            for suffix, loop in (("", False), (" loop", True)):
                if loop and case.num_weights > 10_000:
                    continue
                found[f"{estimator}/{form}{suffix}"] = functools.partial(
                    _train, case, estimator, jit, loop
                )
    found["prediction/graph"] = functools.partial(_predict, case, False)
    found["prediction/XLA"] = functools.partial(_predict, case, True)
    return found
