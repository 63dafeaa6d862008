"""Where estimators break: vanishing and huge scales, inputs of zeros."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.report import Row, exact_row, skipped_row, truth_row
from bnn.diagnostics.simulation import Outcome, Simulation

_SMALL, _LARGE = 1e-8, 1e3


def limit_rows(simulation: Simulation, seed: int) -> list[Row]:
    """Finite outputs, losses and gradients at the limits; the mean's outputs as the scale vanishes.

    Args:
      simulation: of the subject; parameters are restored.
      seed: of the draws.
    """
    subject = simulation.subject
    zero_row = tf.tensor_scatter_nd_update(subject.inputs, [[0]], tf.zeros_like(subject.inputs[:1]))
    rows = [
        _finite_row("finite for a row of zeros", simulation.chunk(seed, 0, zero_row)),
        _finite_row(
            "finite for inputs of zeros",
            simulation.chunk(seed, 0, tf.zeros_like(subject.inputs)),
        ),
    ]
    posteriors = [site.posterior for site in subject.sites if not site.posterior.deterministic]
    if any("initial_scale" not in posterior.get_config() for posterior in posteriors):
        return [*rows, skipped_row("limits of scale", "the posterior has no initial_scale")]
    with subject.at_scale(_SMALL):
        mean = subject.model(subject.inputs).numpy()
        outcome = simulation.chunk(seed, 0)
    difference = np.abs(outcome.outputs - mean).max() / (np.abs(mean).max() + 1e-6)
    if all(posterior.vanishing for posterior in posteriors):
        rows.append(exact_row("scale → 0 equals Mean", difference, 1e-5))
    else:
        rows.append(skipped_row("scale → 0 equals Mean", "the posterior has other spread"))
    rows.append(_finite_row(f"finite at scale {_SMALL:g}", outcome))
    with subject.at_scale(_LARGE):
        rows.append(_finite_row(f"finite at scale {_LARGE:g}", simulation.chunk(seed, 0)))
    return rows


def _finite_row(name: str, outcome: Outcome) -> Row:
    arrays = tf.nest.flatten(outcome)
    return truth_row(name, all(np.isfinite(a).all() for a in arrays))
