"""NumPyro: SVI with AutoNormal, the KL in closed form (TraceMeanField_ELBO)."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import distributions as dist
from numpyro.infer import SVI, Predictive, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal

from experiments.speed import cases
from experiments.speed.cases import Case, forward
from experiments.speed.peers import Run, Variants
from experiments.speed.peers.jax_ops import Ops, apply, batches, train


def _model(case: Case, x: Any, y: Any = None) -> None:
    def weight(name: str, shape: tuple[int, ...]) -> Any:
        prior = dist.Normal(0.0, cases.PRIOR_SCALE).expand(shape).to_event(len(shape))
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
    guide = AutoNormal(model, init_scale=cases.INITIAL_SCALE)
    return (
        model,
        guide,
        SVI(model, guide, numpyro.optim.Adam(cases.LEARNING_RATE), TraceMeanField_ELBO()),
    )


def _train(case: Case, loop: bool) -> Run:
    _, _, svi = _svi(case)
    xs, ys = batches(case)
    state = svi.init(jax.random.key(0), xs[0], ys[0])
    return train(case, lambda state, number, x, y: svi.update(state, x, y), state, loop)


def _predict(case: Case) -> Run:
    model, guide, svi = _svi(case)
    xs, ys = batches(case)
    params = svi.get_params(svi.init(jax.random.key(0), xs[0], ys[0]))
    x = np.random.default_rng(1).normal(size=(cases.PREDICTION_INPUTS, *case.input_shape))
    x = jnp.asarray(x, jnp.float32)
    predictive = Predictive(
        model,
        guide=guide,
        params=params,
        num_samples=cases.PREDICTION_SAMPLES,
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
