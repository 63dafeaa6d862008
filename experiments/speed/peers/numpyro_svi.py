"""NumPyro: SVI with AutoNormal, the KL in closed form (TraceMeanField_ELBO)."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import lax
from numpyro import distributions as dist
from numpyro.infer import SVI, Predictive, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal

from experiments.speed.cases import (
    INITIAL_SCALE,
    LEARNING_RATE,
    PREDICTION_INPUTS,
    PREDICTION_SAMPLES,
    PRIOR_SCALE,
    Case,
    forward,
)
from experiments.speed.peers import Run, Variants
from experiments.speed.peers.jax_ops import Ops, apply, batches


def _model(case: Case, x: Any, y: Any = None) -> None:
    def weight(name: str, shape: tuple[int, ...]) -> Any:
        prior = dist.Normal(0.0, PRIOR_SCALE).expand(shape).to_event(len(shape))
        return numpyro.sample(name, prior)

    def layer(i: int, h: Any) -> Any:
        of = case.layers[i]
        kernel, bias = weight(f"kernel{i}", of.kernel_shape), weight(f"bias{i}", (of.outputs,))
        return apply(case, i, h, kernel) + bias

    outputs = numpyro.deterministic("outputs", forward(case.network, x, layer, Ops))
    if case.regression:
        scale = numpyro.param("scale", 1.0, constraint=dist.constraints.softplus_positive)
        likelihood = dist.Normal(outputs, scale).to_event(1)
    else:
        likelihood = dist.Categorical(logits=outputs)
    per_example = numpyro.handlers.scale(scale=case.num_train / x.shape[0])
    with per_example, numpyro.plate("data", x.shape[0]):
        numpyro.sample("y", likelihood, obs=y)


def _svi(case: Case) -> tuple[Any, Any, Any]:
    model = functools.partial(_model, case)
    guide = AutoNormal(model, init_scale=INITIAL_SCALE)
    return model, guide, SVI(model, guide, numpyro.optim.Adam(LEARNING_RATE), TraceMeanField_ELBO())


def _train(case: Case, loop: bool) -> Run:
    _, _, svi = _svi(case)
    xs, ys = batches(case)
    data = [(xs[i], ys[i]) for i in range(8)]
    state = svi.init(jax.random.key(0), *data[0])
    if loop:

        @functools.partial(jax.jit, donate_argnums=0)
        def many(state: Any, k: Any, xs: Any, ys: Any) -> tuple[Any, Any]:
            def body(i: Any, carry: Any) -> Any:
                return svi.update(carry[0], xs[i % 8], ys[i % 8])

            return lax.fori_loop(0, k, body, (state, jnp.zeros(())))

        def run_loop(k: int) -> None:
            nonlocal state
            state, loss = many(state, k, xs, ys)
            jax.block_until_ready((state, loss))

        return run_loop

    one = jax.jit(svi.update, donate_argnums=0)

    def run(k: int) -> None:
        nonlocal state
        for i in range(k):
            state, loss = one(state, *data[i % 8])
        jax.block_until_ready((state, loss))

    return run


def _predict(case: Case) -> Run:
    model, guide, svi = _svi(case)
    xs, ys = batches(case)
    params = svi.get_params(svi.init(jax.random.key(0), xs[0], ys[0]))
    x = np.random.default_rng(1).normal(size=(PREDICTION_INPUTS, *case.input_shape))
    x = jnp.asarray(x, jnp.float32)
    predictive = Predictive(
        model,
        guide=guide,
        params=params,
        num_samples=PREDICTION_SAMPLES,
        return_sites=["outputs"],
    )
    sample = jax.jit(lambda key, x: predictive(key, x)["outputs"])

    def run(k: int) -> None:
        for seed in range(k):
            np.asarray(sample(jax.random.key(seed), x))

    return run


def variants(case: Case) -> Variants:
    """A call per step and a loop of steps; jitted prediction."""
    return {
        "reparameterization/jit": functools.partial(_train, case, False),
        "reparameterization/fori_loop": functools.partial(_train, case, True),
        "prediction/jit": functools.partial(_predict, case),
    }
