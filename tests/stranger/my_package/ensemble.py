"""A method: an ensemble of MAP estimates, trained one after the other."""

import gin
import tensorflow as tf

from bnn.estimators import Mean
from bnn.methods import Method
from bnn.objectives import NegativeELBO
from bnn.prediction import StoredWeights
from bnn.training import Archive, Info


@gin.register(module="my_package")
class Ensemble(Method):
    """w_m ← optimizer(∇ −log p(w_m, y) / N) from its own start, m = 1 … M (Lakshminarayanan 2017).

    Each member has 1/M of the steps; the archive keeps it when it is done.

    Args:
      members: M.
    """

    averaged = ("nll",)

    def __init__(self, members=3):
        self.members = members

    def build(self, problem):
        super().build(problem)
        self.steps_each = problem.total_steps // self.members
        starts = [problem.make_model().trainable_variables for _ in range(self.members)]
        self._starts = [
            tf.stack([v.numpy() for v in column]) for column in zip(*starts, strict=True)
        ]
        self.archive = Archive(problem.model.trainable_variables, every=self.steps_each)

    def loss(self, batch, noise, training=True):
        objective = NegativeELBO().bind(self.problem.likelihood, self.problem.num_train)
        at = {"estimator": Mean(), "noise": noise, "training": training, "weights": batch.weights}
        terms = objective(self.problem.model, batch.inputs, batch.targets, **at)
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl})

    def step(self, batch, noise, reduce):
        begins = tf.equal(noise.step % self.steps_each, 0)
        member = tf.minimum(noise.step // self.steps_each, self.members - 1)
        for variable, starts in zip(
            self.problem.model.trainable_variables, self._starts, strict=True
        ):
            variable.assign(tf.where(begins, tf.gather(starts, member), variable))
        for slot in self.problem.optimizer.variables[2:]:  # past iterations and learning rate
            slot.assign(tf.where(begins, tf.zeros_like(slot), slot))
        return super().step(batch, noise, reduce)

    def functions(self, num_samples, seed):
        done = self.archive.stacked()
        return StoredWeights(self.archive.variables, [values[:num_samples] for values in done])

    def describe(self):
        return {"method": "Ensemble", "members": self.members, "posterior": "its modes"}
