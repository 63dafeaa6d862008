"""bnn itself: `bnn.training.TrainingSteps`, as in every run."""

from __future__ import annotations

import functools
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn.posteriors.scales import Exponential, Softplus
from experiments.speed import cases
from experiments.speed.cases import Case, forward
from experiments.speed.peers import Run, Variants, keras_ops
from experiments.steps import training_steps


def build_model(case: Case, posterior: Any) -> keras.Model:
    """The network of Bayesian layers; `posterior` makes a new posterior for every site."""

    def layer(i: int, x: Any) -> Any:
        of, last = case.layers[i], i == len(case.layers) - 1
        options = {
            "kernel_posterior": posterior(),
            "bias_posterior": posterior(),
            "kernel_initializer": "glorot_normal" if last else "he_normal",
        }
        if of.dense:
            return bnn.layers.Dense(of.outputs, **options)(x)
        options |= {"strides": of.stride, "padding": "same" if of.same else "valid"}
        return bnn.layers.Conv2D(of.outputs, of.size, **options)(x)

    inputs = keras.Input(case.input_shape)
    ops = keras_ops(keras.layers, keras.ops.relu)
    return keras.Model(inputs, forward(case.network, inputs, layer, ops))


def _streamed(case: Case) -> bnn.data.Batches:
    """Batches of as many examples as the KL is divided by, from files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, values in zip("xy", case.data(), strict=True):
            np.save(f"{folder}/{name}.npy", np.resize(values, (case.num_train, *values.shape[1:])))
        batches = bnn.data.arrays(folder, stream=True, test_fraction=0.1).batches(case.batch, 0)
        batches.at(0)  # opens the file, which then needs no name
    return batches


def _train(
    case: Case, estimator: Any, posterior: Any, jit_compile: bool, streamed: bool = False
) -> Run:
    data, model = case.data(), build_model(case, posterior)
    likelihood = bnn.likelihoods.Normal() if case.regression else bnn.likelihoods.Categorical()
    likelihood.build(case.layers[-1].outputs)
    steps = training_steps(
        model,
        bnn.objectives.NegativeELBO(likelihood, case.num_train),
        estimator,
        data,
        keras.optimizers.Adam(cases.LEARNING_RATE),
        batch_size=case.batch,
        trained=[*model.trainable_variables, *likelihood.trainable_variables],
        batches=_streamed(case) if streamed else None,
        steps_per_call=case.steps_per_call,
        jit_compile=jit_compile,
    )
    done = 0

    def run(k: int) -> None:
        nonlocal done
        end = done + k
        while done < end:
            size = min(end - done, case.steps_per_call)
            steps(done, size)
            done += size

    return run


def _predict(case: Case, posterior: Any, jit_compile: bool) -> Run:
    model = build_model(case, posterior)
    x = np.random.default_rng(1).normal(size=(cases.PREDICTION_INPUTS, *case.input_shape))
    x = tf.constant(x, tf.float32)

    def run(k: int) -> None:
        for seed in range(k):
            bnn.predict(model, x, cases.PREDICTION_SAMPLES, seed, jit_compile=jit_compile).numpy()

    return run


def _fit(case: Case, layer: Any, estimator: Any) -> Run:
    """Keras's own `fit`; of the deterministic network where there is no estimator."""
    last, x = case.layers[-1], case.data()[0]
    layers = [layer(of.outputs, None if of is last else "relu") for of in case.layers]
    model: Any = keras.Sequential([keras.Input(case.input_shape), *layers])
    what: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if estimator is not None:
        model, what = bnn.BayesianModel(model, bnn.likelihoods.Categorical()), estimator
    model.compile(keras.optimizers.Adam(cases.LEARNING_RATE), what, jit_compile=True)
    labels = x[:, : last.outputs].argmax(axis=1)  # can be learned: `fit` has no warning
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(case.batch).cache().repeat()
    known = {"num_train": case.num_train} if estimator else {}
    return lambda k: model.fit(data, steps_per_epoch=k, verbose=0, **known)


def variants(case: Case) -> Variants:
    """Every estimator, the deterministic network, and a softplus instead of an exponential."""
    tf.config.threading.set_intra_op_parallelism_threads(2)

    def posterior(transform: Any = Exponential) -> Any:
        return bnn.posteriors.MeanFieldNormal(cases.INITIAL_SCALE, transform())

    estimators = {
        "reparameterization": bnn.estimators.Reparameterization(),
        "lrt": bnn.estimators.LocalReparameterization(),
        "flipout": bnn.estimators.Flipout(),
    }
    # The switch as gin_configs/ sets it: XLA but for convolutions.
    jit = all(layer.dense for layer in case.layers)
    form = "XLA" if jit else "graph"
    found: Variants = {
        f"{name}/{form}": functools.partial(_train, case, estimator, posterior, jit)
        for name, estimator in estimators.items()
    }
    found[f"deterministic/{form}"] = functools.partial(
        _train, case, bnn.estimators.Mean(), bnn.posteriors.Point, jit
    )
    if jit:
        found["reparameterization softplus/XLA"] = functools.partial(
            _train,
            case,
            estimators["reparameterization"],
            functools.partial(posterior, Softplus),
            True,
        )
        for where, streamed in {"resident": False, "streamed": True}.items():
            found[f"data {where}/XLA"] = functools.partial(
                _train, case, estimators["reparameterization"], posterior, True, streamed
            )
    if jit and not case.regression:
        families = {"kernel_posterior": posterior(), "bias_posterior": posterior()}
        own = functools.partial(bnn.layers.Dense, **families)
        fits: dict[str, Any] = {name: (own, estimator) for name, estimator in estimators.items()}
        fits["deterministic"] = keras.layers.Dense, None
        fits["WeightSpace"] = (
            lambda *a: bnn.layers.WeightSpace(keras.layers.Dense(*a), posterior()),
            estimators["reparameterization"],
        )
        found |= {f"fit {n}/XLA": functools.partial(_fit, case, *of) for n, of in fits.items()}
    found["prediction/XLA"] = functools.partial(_predict, case, posterior, True)
    found["prediction/graph"] = functools.partial(_predict, case, posterior, False)
    return found
