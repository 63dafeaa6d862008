"""NUTS by BlackJAX (Cabezas et al. 2024), on a logistic regression."""

from __future__ import annotations

from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np

from experiments.references.peers import serve


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Draws `[chains, draws, P]`, after BlackJAX's own adaptation in windows."""
    x, y = jnp.array(asked["inputs"]), jnp.array(asked["targets"])

    def log_joint(weights: jax.Array) -> jax.Array:
        logits = x @ weights
        fit = jnp.sum(y * logits - jnp.logaddexp(0.0, logits))
        return fit - 0.5 * jnp.sum(jnp.square(weights / asked["scale"]))

    warmup = blackjax.window_adaptation(blackjax.nuts, log_joint)

    def chain(key: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        (state, parameters), _ = warmup.run(first, jnp.zeros(x.shape[1]), asked["warmup"])
        step = blackjax.nuts(log_joint, **parameters).step

        def one(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(one, state, jax.random.split(second, asked["draws"]))[1]

    keys = jax.random.split(jax.random.key(asked["seed"]), asked["chains"])
    return {"draws": np.array(jax.vmap(chain)(keys), np.float64)}


if __name__ == "__main__":
    serve(answer)
