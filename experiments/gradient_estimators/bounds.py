"""Signal-to-noise ratio of the importance-weighted bound's gradients against S."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from experiments.gradient_estimators import looks
from experiments.gradient_estimators.regressions import Regression
from experiments.gradient_estimators.tables import Table
from experiments.gradient_estimators.variants import VARIANTS

SEED = 3
RULES = (looks.IWAE_PLAIN, looks.IWAE_DREG, looks.IWAE_VIMCO)


def table(problem: Regression, draws: int, sample_counts: Sequence[int]) -> Table:
    """One row for every rule and S, at a posterior that is off by half a standard deviation."""
    model, likelihood = problem.model(), problem.likelihood()
    [site] = model.layers[-1].sites
    scale = 1.2 * problem.best_scale
    values = (problem.best_loc + 0.5 * problem.best_scale, np.log(np.expm1(scale)))
    variables = [v.value for v in model.trainable_variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.reshape(site.posterior.shape).astype(np.float32))
    inputs, targets = tf.constant(problem.inputs), tf.constant(problem.targets)
    rows = []
    for num_samples in sample_counts:
        gradients = {}
        for name in RULES:
            objective = VARIANTS[name].bound(likelihood, len(problem.inputs), num_samples)
            estimator = VARIANTS[name].estimator()

            def one(step, objective=objective, estimator=estimator):
                with tf.GradientTape() as tape:
                    terms = objective(
                        model, inputs, targets, estimator=estimator, seed=SEED, step=step
                    )
                found = tape.gradient(terms.loss, variables)
                return tf.concat([tf.reshape(g, [-1]) for g in found], axis=0)

            @tf.function(jit_compile=True, autograph=False)
            def many(steps, one=one):
                return tf.map_fn(one, steps, fn_output_signature=tf.float32)

            gradients[name] = np.float64(many(tf.range(draws)))
        # The best estimate of the common expectation, for the signal and for the bias.
        precise = gradients[looks.IWAE_DREG]
        for name, found in gradients.items():
            error = np.sqrt((found.var(axis=0) + precise.var(axis=0)) / draws)
            z = (found.mean(axis=0) - precise.mean(axis=0)) / error
            variance = found.var(axis=0, ddof=1)
            signal = np.sum(precise.mean(axis=0) ** 2) - np.sum(precise.var(axis=0)) / draws
            rows.append(
                {
                    "gradient": name,
                    "S": num_samples,
                    "‖signal‖": float(np.sqrt(signal)),
                    "trace of variance": float(variance.sum()),
                    "SNR": float(np.sqrt(signal / variance.sum())),
                    "z to DReG": None if name == looks.IWAE_DREG else float(np.abs(z).max()),
                    "seed": SEED,
                    "draws": draws,
                }
            )
    rows.sort(key=lambda row: (RULES.index(row["gradient"]), row["S"]))
    return Table(
        "importance_weighted_bound",
        f"Importance-weighted bound of the {problem.name}: signal-to-noise ratio against S",
        rows,
    )
