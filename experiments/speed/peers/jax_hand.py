"""Mean-field variational inference as one writes it in JAX: optax, jitted, state donated."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.speed.cases import INITIAL_SCALE, LEARNING_RATE, Case, forward
from experiments.speed.peers import Run, Variants
from experiments.speed.peers.jax_ops import Ops, apply, train


def _init(case: Case) -> dict[str, Any]:
    keys = jax.random.split(jax.random.key(0), len(case.layers))
    rho = jnp.log(jnp.expm1(INITIAL_SCALE))
    sites = []
    for key, layer in zip(keys, case.layers, strict=True):
        kernel = jax.nn.initializers.he_normal()(key, layer.kernel_shape)
        bias = jnp.zeros(layer.outputs)
        sites += [{"loc": w, "rho": jnp.full(w.shape, rho)} for w in (kernel, bias)]
    return {"sites": sites, "noise": jnp.zeros(())}


def _layer(case: Case, estimator: str, sites: Any, keys: Any, i: int, x: Any) -> Any:
    kernel, bias = sites[2 * i], sites[2 * i + 1]
    if estimator == "reparameterization":
        w, b = (
            site["loc"] + jax.nn.softplus(site["rho"]) * jax.random.normal(key, site["loc"].shape)
            for site, key in ((kernel, keys[2 * i]), (bias, keys[2 * i + 1]))
        )
        return apply(case, i, x, w) + b
    mean = apply(case, i, x, kernel["loc"]) + bias["loc"]
    variance = apply(case, i, x * x, jax.nn.softplus(kernel["rho"]) ** 2)
    variance = variance + jax.nn.softplus(bias["rho"]) ** 2
    return mean + jnp.sqrt(variance) * jax.random.normal(keys[2 * i], mean.shape)


def _kl(site: Any) -> Any:
    scale = jax.nn.softplus(site["rho"])
    return 0.5 * jnp.sum(scale**2 + site["loc"] ** 2 - 1.0 - 2.0 * jnp.log(scale))


def _loss(params: Any, case: Case, estimator: str, x: Any, y: Any, key: Any) -> Any:
    sites = params["sites"]
    keys = jax.random.split(key, len(sites))
    layer = functools.partial(_layer, case, estimator, sites, keys)
    outputs = forward(case.network, x, layer, Ops)
    if case.regression:
        log_likelihood = jax.scipy.stats.norm.logpdf(y, outputs, jax.nn.softplus(params["noise"]))
        nll = -jnp.mean(log_likelihood)
    else:
        nll = optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()
    return nll + sum(_kl(site) for site in sites) / case.num_train


def _train(case: Case, estimator: str, loop: bool) -> Run:
    optimizer = optax.adam(LEARNING_RATE)
    params = _init(case)
    key = jax.random.key(1)

    def step(state: Any, number: Any, x: Any, y: Any) -> tuple[Any, Any]:
        params, moments = state
        noise = jax.random.fold_in(key, number)
        loss, gradients = jax.value_and_grad(_loss)(params, case, estimator, x, y, noise)
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(params, updates), moments), loss

    return train(case, step, (params, optimizer.init(params)), loop)


def variants(case: Case) -> Variants:
    """Both estimators, a call per step and a loop of steps."""
    return {
        f"{estimator}/{form}": functools.partial(_train, case, estimator, loop)
        for estimator in ("reparameterization", "lrt")
        for form, loop in (("jit", False), ("fori_loop", True))
    }
