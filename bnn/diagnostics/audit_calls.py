"""How a loop calls its model, and what it leaves untrained: seen by what changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import optimized_variables
from bnn.diagnostics.loop import Loop, eagerly
from bnn.draw import Draw
from bnn.estimators import Mean, Reparameterization
from bnn.sites import sites


@contextlib.contextmanager
def state_restored(model: keras.Model) -> Iterator[None]:
    """What calls change (moving statistics, seed generators) is as before when it ends."""
    before = [(v, keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


def outside_of_draws(loop: Loop) -> list[str]:
    """The sites that the loss calls without a draw around them: their means are trained."""
    names = {site: name for name, site in sites(loop.model).items()}
    with state_restored(loop.model), eagerly(), Draw(0, Reparameterization()) as around:
        loop.at(0)
    return [names[s] for s in around.sites if s in names and not s.posterior.deterministic]


def not_in_training_mode(loop: Loop) -> list[str] | None:
    """What a call with training=True changes and the loss does not; None where it changes none."""

    def trains() -> None:
        with Draw(0, loop.estimator):
            loop.model(loop.batch[0], training=True)

    wanted = _changed(loop.model, trains)
    if not wanted:
        return None
    seen = _changed(loop.model, lambda: loop.at(0))
    return [path for path in wanted if path not in seen]


def _changed(model: keras.Model, call: Callable[[], object]) -> list[str]:
    held = list(model.non_trainable_variables)
    with state_restored(model), eagerly():
        before = [keras.ops.convert_to_numpy(v) for v in held]
        call()
        after = [keras.ops.convert_to_numpy(v) for v in held]
    return [v.path for v, b, a in zip(held, before, after, strict=True) if not np.array_equal(b, a)]


def kl_among_losses(loop: Loop) -> list[str]:
    """The posteriors' scales that `model.losses` depends on, where a site's mean is taken.

    Keras's regularizers are of means and activations; a term that moves scales is a KL.
    """
    scales = [v for site in sites(loop.model).values() for v in site.posterior.scale_variables]
    with state_restored(loop.model), tf.GradientTape() as tape, Draw(0, Mean()):
        loop.model(loop.batch[0], training=True)
        total = tf.add_n(loop.model.losses) if loop.model.losses else tf.zeros([])
    found = tape.gradient(total, scales)
    return [
        v.path
        for v, g in zip(scales, found, strict=True)
        if g is not None and np.any(tf.convert_to_tensor(g).numpy())
    ]


def left_out(loop: Loop, optimizer: keras.optimizers.Optimizer) -> list[str] | None:
    """The variables that should be trained and that a built optimizer does not; None unbuilt."""
    held = optimized_variables(optimizer)
    if held is None:
        return None
    known = {id(v) for v in held}
    wanted = [*loop.model.trainable_variables, *loop.likelihood.trainable_variables]
    return [v.path for v in wanted if id(v) not in known]
