"""All splits of a set trained at once with one candidate."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from bnn import Draw, metrics
from bnn.data import Batch, StackedBatches, batch_indices
from bnn.estimators import Reparameterization
from bnn.likelihoods import NormalRegression
from bnn.metrics.regression import log_densities
from bnn.models import mlp
from bnn.noise import Noise, Purpose
from bnn.objectives import NegativeELBO
from bnn.schedules import Cosine, LinearWarmup
from bnn.training import Info, Stack, StackedSteps, padded, stacked_values
from experiments.uci.candidates import Candidate, Settings
from experiments.uci.splits import Member
from experiments.uci.stacking import Points

_STEPS_PER_CALL = 500
_SAMPLES_PER_CALL = 100
# Added to the seed: the predictive must not reuse the noise of the training.
_PREDICT = 2**32


def run_candidate(members: list[Member], candidate: Candidate, settings: Settings) -> list[dict]:
    """Trains and evaluates every member; one row of results each, in the order of the members."""
    start = time.perf_counter()
    model, likelihood, stack = _build(members, candidate, settings)
    seeds = np.array([settings.seed + m.split for m in members], np.uint64)
    terms = _train(members, candidate, settings, (model, likelihood, stack), seeds)
    trained = time.perf_counter()
    rows = []
    loc, scale = _predict(members, settings, (model, likelihood, stack), seeds)
    for k, member in enumerate(members):
        samples = settings.test_samples if member.final else settings.valid_samples
        row = {"split": member.split, "part": "test" if member.final else "valid"}
        row |= {"num_train": member.data.num_train, "samples": samples}
        row |= _metrics(member, loc[:samples, k], scale[:samples, k])
        rows.append(row | {name: float(values[k]) for name, values in terms.items()})
    seconds = {"train": trained - start, "evaluate": time.perf_counter() - trained}
    return [row | {f"{name}_seconds": s / len(rows) for name, s in seconds.items()} for row in rows]


def _build(
    members: list[Member], candidate: Candidate, settings: Settings
) -> tuple[keras.Model, NormalRegression, Stack]:
    """A model and likelihood, and the stack with the start values of every member.

    Both members of a split start from the same values.
    """
    made = {}
    for split in sorted({m.split for m in members}):
        keras.utils.set_random_seed(settings.seed + split)
        kernel, bias = candidate.make_posteriors(settings.initial_scale)
        kernel_prior, bias_prior = candidate.make_priors()
        likelihood = candidate.make_likelihood()
        model = mlp(
            members[0].data.input_shape,
            likelihood.num_outputs(1),
            hidden=(settings.hidden,),
            kernel_posterior=kernel,
            bias_posterior=bias,
            kernel_prior=kernel_prior,
            bias_prior=bias_prior,
        )
        made[split] = model, likelihood
    model, likelihood = made[members[0].split]
    starts = {s: m.trainable_variables + lik.trainable_variables for s, (m, lik) in made.items()}
    stack = Stack(starts[members[0].split], stacked_values([starts[m.split] for m in members]))
    return model, likelihood, stack


def _train(
    members: list[Member],
    candidate: Candidate,
    settings: Settings,
    built: tuple[keras.Model, NormalRegression, Stack],
    seeds: np.ndarray,
) -> dict[str, np.ndarray]:
    """Minimises every member's negative ELBO.

    Returns the mean NLL of the last call's steps, the last KL in nats, and the ELBO that they
    make with the whole KL, per training example in standardised units, `[K]` each.
    """
    model, likelihood, stack = built
    sizes = [m.data.num_train for m in members]
    kl_weight = LinearWarmup(fraction=candidate.warmup)

    def loss(batch: Batch, noise: Noise) -> Info:
        member = batch.member
        objective = NegativeELBO(
            likelihood, member["num_train"], settings.train_samples, antithetic=True
        )
        terms = objective(
            model,
            batch.inputs,
            batch.targets,
            estimator=Reparameterization(),
            noise=noise.at(seed=member["seed"]),
            kl_weight=kl_weight(tf.cast(noise.step, tf.float32) / settings.steps),
        )
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl})

    steps = StackedSteps(
        loss,
        stack,
        StackedBatches(
            padded([m.data.x_train for m in members]),
            padded([m.data.y_train for m in members]),
            _data_order(sizes, seeds, settings),
            {"seed": seeds, "num_train": np.array(sizes)},
        ),
        keras.optimizers.Adam(Cosine(settings.learning_rate).for_keras(settings.steps)),
        steps_per_call=min(_STEPS_PER_CALL, settings.steps),
        jit_compile=settings.jit_compile,
    )
    for first in range(0, settings.steps, steps.steps_per_call):
        history = steps(first, min(steps.steps_per_call, settings.steps - first))
    nll, kl = history.metrics["nll"].mean(axis=0), history.metrics["kl"][-1]
    return {"train_nll": nll, "kl": kl, "elbo": -nll - kl / np.array(sizes)}


def _data_order(sizes: list[int], seeds: np.ndarray, settings: Settings) -> Any:
    """Steps `[T]` to the rows of every member, `[T, K, B]`: epochs of its own permutations."""
    batch_size = min(settings.batch_size, *sizes)
    permute = tf.function(
        lambda steps, size, seed: batch_indices(
            steps, batch_size=batch_size, num_train=size, seed=seed
        ),
        jit_compile=settings.jit_compile,
        autograph=False,
    )

    def indices(steps: tf.Tensor) -> tf.Tensor:
        orders = [
            permute(steps, size, tf.constant(seed, tf.int64))
            for size, seed in zip(sizes, seeds.astype(np.int64), strict=True)
        ]
        return tf.stack(orders, axis=1)

    return indices


def _predict(
    members: list[Member],
    settings: Settings,
    built: tuple[keras.Model, NormalRegression, Stack],
    seeds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Means and noise scales `[S, K, B, 1]`, standardised, of coherent weight samples."""
    model, likelihood, stack = built

    def one(x: tf.Tensor, seed: tf.Tensor, sample: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = Noise(seed, purpose=Purpose.PREDICTION, sample=sample)
        with Draw(noise, Reparameterization()):
            loc, scale = likelihood.parameters(model(x, training=False))
        return loc, tf.zeros_like(loc) + scale

    @tf.function(jit_compile=settings.jit_compile, autograph=False)
    def some(x: tf.Tensor, seeds: tf.Tensor, samples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def all_members(sample: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return stack.map(one, x, seeds, tf.repeat(sample, stack.size))

        return tf.map_fn(all_members, samples, fn_output_signature=(tf.float32, tf.float32))

    x, keys = tf.constant(padded([m.inputs for m in members])), tf.constant(seeds + _PREDICT)
    count = max(settings.test_samples, settings.valid_samples)
    size = min(_SAMPLES_PER_CALL, count)
    parts = [some(x, keys, tf.range(s, s + size)) for s in range(0, count, size)]
    loc, scale = (np.concatenate(p)[:count] for p in zip(*parts, strict=True))
    return loc, scale


def _metrics(member: Member, loc: np.ndarray, scale: np.ndarray) -> dict[str, Any]:
    """Metrics of the mixture of all samples and its points, in the target's own units."""
    number = len(member.inputs)
    loc = member.data.to_own_units(loc[:, :number])
    scale = scale[:, :number] * member.data.target_scale
    return {
        "num_predicted": number,
        "log_likelihood": metrics.log_likelihood(loc, scale, member.targets),
        "rmse": metrics.rmse(loc, member.targets),
        "coverage_95": metrics.interval_coverage(loc, scale, member.targets, 0.95),
        "points": _points(loc, scale, member.targets),
    }


def _points(loc: np.ndarray, scale: np.ndarray, targets: np.ndarray) -> dict[str, list[float]]:
    """The predictive at each row, `Points` as lists: what stacking is made of."""
    loc, scale, targets = (values.astype(np.float64) for values in (loc, scale, targets))
    points = Points(
        target=targets[:, 0],
        log_density=logsumexp(log_densities(loc, scale, targets), axis=0) - math.log(len(loc)),
        mean=loc.mean(axis=0)[:, 0],
        pit=metrics.mixture_cdf(loc, scale, targets)[:, 0],
    )
    return {name: values.tolist() for name, values in points._asdict().items()}
