"""Descent on the conjugate regression by NumPy alone, and what SWAG makes of its iterates."""

import keras
import numpy as np

from bnn.diagnostics import ConjugateRegression, Law
from bnn.diagnostics.trained_method import Recipe
from bnn.posteriors import Point


def recipe(method, learning_rate=0.5, num_steps=400, batch_size=16, **options):
    """How `bnn.diagnostics` builds and trains a method on the regression."""
    return Recipe(
        regression=ConjugateRegression(),
        method=method,
        posterior=Point(),
        optimizer=keras.optimizers.SGD(learning_rate),
        num_steps=num_steps,
        batch_size=batch_size,
        **{"seed": 0, "jit_compile": False, **options},
    )


def iterates(used, start):
    """w after every step, `[steps, D]`, float64: w ← w − η (Λ_b w − g_b), by the run's batches.

    Per example: Λ_b = X_bᵀX_b / (B τ²) + I / (N s²), g_b = X_bᵀy_b / (B τ²) + m₀ / (N s²).
    """
    problem, rate = used.regression, used.optimizer.get_config()["learning_rate"]
    inputs, targets = problem.inputs.astype(np.float64), problem.targets[:, 0].astype(np.float64)
    order = problem.batches(used.batch_size, used.seed).take(0, used.num_steps).numpy()
    prior = 1 / (len(inputs) * problem.prior_scale**2)
    w, found = np.asarray(start, np.float64), []
    for rows in order:
        x = inputs[rows] / (np.sqrt(len(rows)) * problem.noise_scale)
        y = targets[rows] / (np.sqrt(len(rows)) * problem.noise_scale)
        w = w - rate * (x.T @ (x @ w - y) + prior * (w - problem.prior_loc))
        found.append(w)
    return np.array(found)


def snapshots(path, first, every):
    """Every so many of the iterates, counted from the last one, after step `first`."""
    return np.array([w for step, w in enumerate(path, 1) if step > first][::-1][::every][::-1])


def swag_law(taken, rank):
    """Maddox et al. 2019, algorithm 1, by moments as they stand there."""
    mean = taken.mean(0)
    diagonal = (taken**2).mean(0) - mean**2
    running = np.cumsum(taken, 0) / np.arange(1, len(taken) + 1)[:, np.newaxis]
    columns = (taken - running)[-rank:].T
    low_rank = columns @ columns.T / (columns.shape[1] - 1)
    return Law(mean, 0.5 * (np.diag(diagonal) + low_rank)), diagonal, columns.T
