"""IVON and NUTS of bnn on the problems that peers get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import bnn
from bnn.data import ResidentBatches
from bnn.likelihoods import Bernoulli, Likelihood, Normal
from bnn.methods import IVON, NUTS, Method, Problem
from bnn.posteriors import MeanFieldNormal, points
from bnn.training import TrainingSteps
from experiments.references.problems import Logistic, Regression


def ivon(problem: Regression, asked: dict[str, Any]) -> dict[str, np.ndarray]:
    """Means and deviations of q after every `every` steps, `[T, P]` each."""
    method = IVON(
        learning_rate=asked["rate"],
        momentum=asked["momentum"],
        hessian_decay=asked["decay"],
        clip_radius=1e9,  # ivon-opt's default is none
        kl_weight=1.0,
    )
    posterior = MeanFieldNormal(asked["scale"])
    layer = _layer(problem.precision**-0.5, posterior)
    model = keras.Sequential([keras.Input((problem.inputs.shape[1],)), layer])
    layer.kernel_loc.assign(np.zeros(layer.kernel_loc.shape))  # where ivon-opt's begins
    steps = _steps(method, model, Normal(problem.noise), problem, asked)
    means, deviations = [], []
    for step in range(0, asked["steps"], asked["every"]):
        steps(step, asked["every"])
        means.append(np.ravel(layer.kernel.posterior.mean))
        deviations.append(np.sqrt(np.ravel(layer.kernel.posterior.variance)))
    return {"means": np.array(means, np.float64), "deviations": np.array(deviations, np.float64)}


def nuts(problem: Logistic, asked: dict[str, Any]) -> np.ndarray:
    """Draws `[chains, draws, P]`, after the adaptation of the step size."""
    total = asked["warmup"] + asked["draws"]
    method = NUTS(
        step_size=0.1,
        num_chains=asked["chains"],
        warm_start=0.0,
        burn_in=asked["warmup"] / total,
        thinning=1,
    )

    def make_model() -> keras.Model:
        with points():
            layer = _layer(problem.scale, None)
            return keras.Sequential([keras.Input((problem.inputs.shape[1],)), layer])

    every = {**asked, "every": 50, "steps": total}
    steps = _steps(method, make_model(), Bernoulli(), problem, every, make_model)
    step = 0
    while step < total:
        end = min(total, step + every["every"], method.archive.next_after(step))
        steps(step, end - step)
        step = end
        method.archive.note(step)
    draws = method.samples()[0][..., 0].astype(np.float64)  # chain after chain
    return draws.reshape(asked["chains"], -1, draws.shape[-1])


def _layer(prior_scale: float, posterior: Any) -> Any:
    options = {} if posterior is None else {"kernel_posterior": posterior}
    prior = bnn.priors.Normal(0.0, prior_scale)
    return bnn.layers.Dense(1, use_bias=False, kernel_prior=prior, **options)


def _steps(
    method: Method,
    model: keras.Model,
    likelihood: Likelihood,
    problem: Any,
    asked: dict[str, Any],
    make_model: Callable[[], keras.Model] | None = None,
) -> TrainingSteps:
    number = len(problem.inputs)
    likelihood.build(1)
    total, seed = asked["steps"], asked["seed"]
    method.build(Problem(model, likelihood, number, total, seed, make_model=make_model))
    targets = problem.targets.reshape(-1, 1)
    batches = ResidentBatches(problem.inputs, targets, batch_size=number, seed=0)
    return TrainingSteps(method, batches, 0, steps_per_call=asked["every"])
