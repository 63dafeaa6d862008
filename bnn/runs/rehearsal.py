"""A look at a step before the folder is claimed: what fails at once leaves nothing behind."""

from __future__ import annotations

import contextlib

import keras
import tensorflow as tf

from bnn.noise import Noise
from bnn.runs.session import Session
from bnn.training import Stepper


def rehearse(session: Session) -> None:
    """Traces the loss of the first batch, and computes nothing: no state changes.

    What model, likelihood, estimator, objective and data say of each other only when they meet, is
    said here: a model that cannot be called with the inputs, outputs that the likelihood cannot
    take, a posterior that the estimator does not serve. Without it the folder would hold a run that
    never began, and refuse the corrected one. On several workers, of which one that fails alone
    would be waited for, and where a method steps without a loss, nothing is looked at.

    Raises:
      ValueError, RuntimeError, TypeError: as the loss does.
    """
    method = session.method
    if session.strategy.workers.count > 1 or type(method).loss is Stepper.loss:
        return
    batches = session.batches
    noise = Noise(session.problem.seed, 0)

    variables = []
    if session.strategy.num_replicas > 1:  # theirs are not to be assigned to outside of a replica
        variables = [variable for part in session.state().values() for variable in part]

    def loss(row: object) -> tf.Tensor:
        values = [(variable, tf.convert_to_tensor(variable)) for variable in variables]
        with keras.StatelessScope(values) if values else contextlib.nullcontext():
            return method.loss(batches.batch(row), noise).loss

    first = tf.nest.map_structure(lambda part: part[0], batches.take(0, 1))
    tf.function(loss, autograph=False).get_concrete_function(first)
