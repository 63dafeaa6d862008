"""Draws replay: in every mode of execution, at every call, in every part of a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.diagnostics.report import Row, exact_row, skipped_row, truth_row
from bnn.diagnostics.simulation import CHUNK, Outcome, Simulation, flat
from bnn.diagnostics.subject import Subject
from bnn.draw import Draw
from bnn.noise import Noise

_STEPS = 2
# Sums in another order, at float32: far under the difference of two draws.
_TOLERANCE = 1e-4
# Of a coordinate: one of them must give other numbers than the first.
_OTHER_VALUES = 12


def mode_rows(simulation: Simulation, seed: int) -> list[Row]:
    """Eager, graph and XLA agree on outputs and gradients; one trace serves all seeds and steps.

    Args:
      simulation: of the subject.
      seed: of the draws.
    """
    subject = simulation.subject
    functions = {
        "eager": None,
        "graph": tf.function(simulation.one, autograph=False),
        "XLA": tf.function(simulation.one, autograph=False, jit_compile=True),
    }
    seed_tensor = tf.constant(seed, tf.int64)
    found = {}
    for name, function in functions.items():
        steps = []
        with _fresh_baseline(simulation):
            for step in range(_STEPS):
                arguments = (subject.inputs, seed_tensor, tf.constant(step))
                run = function.get_concrete_function(*arguments) if function else simulation.one
                steps.append(run(*arguments))
        found[name] = tf.nest.map_structure(lambda *t: np.stack(t), *steps)
    eager = found.pop("eager")
    rows = [
        exact_row(f"same numbers eagerly and in {name}", _distance(eager, other), _TOLERANCE)
        for name, other in found.items()
    ]
    traces = {n: f.experimental_get_tracing_count() for n, f in functions.items() if f}
    once = all(count == 1 for count in traces.values())
    return [*rows, truth_row("one trace for a fixed shape", once, f"traces: {traces}")]


def bulk_row(simulation: Simulation, outcome: Outcome, seed: int, number: int) -> Row:
    """The draws behind the statistics, whose noise comes from tables, are the draws themselves.

    Args:
      simulation: of the subject.
      outcome: chunk `number` of this seed.
      seed: of the draws.
      number: of the chunk.
    """
    subject = simulation.subject
    singles = []
    for step in range(_STEPS):
        with subject.draw(tf.constant(seed, tf.int64), number * CHUNK + step):
            singles.append(subject.model(subject.inputs, training=True).numpy())
    difference = np.abs(np.stack(singles) - outcome.outputs[:_STEPS]).max()
    size = np.abs(outcome.outputs).max() + 1e-6
    return exact_row("same numbers one by one and in bulk", difference / size, _TOLERANCE)


def draw_rows(simulation: Simulation, seed: int) -> list[Row]:
    """One draw is one realisation; another coordinate is another one.

    The same draw gives the same outputs however often the model is called, and again in a second
    draw with the same coordinates. Seed, step, sample and replica all matter. The halves of a
    batch, told their offset, get the noise of the whole.

    Args:
      simulation: of the subject.
      seed: of the draws.
    """
    subject = simulation.subject
    base: dict[str, Any] = {"step": 3, "sample": 1, "replica": 1}

    def outputs(new_seed: int = seed, rows: slice = slice(None), **changes: Any) -> np.ndarray:
        with Draw(Noise(new_seed, **{**base, **changes}), subject.estimator):
            return subject.model(subject.inputs[rows], training=True).numpy()

    with Draw(Noise(seed, **base), subject.estimator) as draw:
        first = subject.model(subject.inputs, training=True)
        label = "a draw repeats its weights"
        if all(draw.realise(site, subject.inputs).reusable for site in subject.sites):
            second = subject.model(subject.inputs, training=True)
            size = float(tf.reduce_max(tf.abs(first))) + 1e-6
            rows = [exact_row(label, np.abs(first - second).max() / size, 1e-6)]
        else:
            rows = [_second_call_refused(label, subject)]
    size = float(tf.reduce_max(tf.abs(first))) + 1e-6
    rows.append(exact_row("a draw replays", np.abs(first - outputs()).max() / size, 1e-6))
    batch = int(subject.inputs.shape[0])
    half = batch // 2
    parts = [outputs(rows=slice(0, half)), outputs(rows=slice(half, batch), example_offset=half)]
    difference = np.abs(np.concatenate(parts) - first).max() / size
    rows.append(exact_row("parts of a batch get the noise of the whole", difference, 1e-5))
    if not any(
        subject.site_estimator(site).stochastic and not site.posterior.deterministic
        for site in subject.sites
    ):
        return [*rows, skipped_row("noise depends on the coordinates", "nothing is sampled")]
    here = outputs()

    def moves(name: str) -> bool:
        """Whether one of the next values gives other outputs: a few masks may well be equal."""
        start = {"new_seed": seed, **base}[name]
        others = (outputs(**{name: start + k}) for k in range(1, _OTHER_VALUES + 1))
        return any(not np.array_equal(other, here) for other in others)

    same = [name.removeprefix("new_") for name in ("new_seed", *base) if not moves(name)]
    return [
        *rows,
        truth_row("noise depends on the coordinates", not same, f"unmoved by {same}" * bool(same)),
    ]


def _second_call_refused(label: str, subject: Subject) -> Row:
    """An estimator that has no weights to use again must say so at the second call."""
    try:
        subject.model(subject.inputs, training=True)
    except ValueError as error:
        return truth_row(label, "again in one draw" in str(error), str(error)[:200])
    return truth_row(label, False, "a second call with other weights was not refused")


@contextlib.contextmanager
def _fresh_baseline(simulation: Simulation) -> Iterator[None]:
    """Zeroes what the baseline remembers, for the time of the context."""
    variables = simulation.subject.estimator.baseline.variables
    before = [v.numpy() for v in variables]
    for variable in variables:
        variable.assign(tf.zeros_like(variable))
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _distance(left: Outcome, right: Outcome) -> float:
    """Largest relative difference of outputs, loss and gradients."""
    pairs = [
        (left.outputs, right.outputs),
        (left.terms.loss, right.terms.loss),
        (flat(left.terms.gradients), flat(right.terms.gradients)),
    ]
    return max(np.abs(a - b).max() / (np.abs(a).max() + 1e-6) for a, b in pairs)
