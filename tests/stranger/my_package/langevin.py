"""A method: stochastic-gradient Langevin dynamics."""

import gin
import tensorflow as tf

from bnn.estimators import Mean
from bnn.methods import Method
from bnn.noise import Purpose
from bnn.objectives import NegativeELBO
from bnn.prediction import StoredWeights
from bnn.training import Archive, Info


@gin.register(module="my_package")
class Langevin(Method):
    """w ← w − ½ ε ∇U(w) + √ε ξ, ξ ~ N(0, 1), U = −log p(w, y) (Welling & Teh 2011, equation 4).

    For models of `Point` posteriors, whose ledger is −log p(w). ∇U is N times that of the negative
    log joint per example, estimated from a batch.

    Args:
      step_size: ε.
      every: steps between two stored samples.
      burn_in: share of the steps before the first.
    """

    uses_optimizer = False
    averaged = ("nll",)

    def __init__(self, step_size=1e-4, every=10, burn_in=0.5):
        self.step_size, self.every, self.burn_in = step_size, every, burn_in

    def build(self, problem):
        super().build(problem)
        first = int(self.burn_in * problem.total_steps)
        self.archive = Archive(list(self.trained), self.every, first)

    def loss(self, batch, noise, training=True):
        objective = NegativeELBO().bind(self.problem.likelihood, self.problem.num_train)
        at = {"estimator": Mean(), "noise": noise, "training": training, "weights": batch.weights}
        terms = objective(self.problem.model, batch.inputs, batch.targets, **at)
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl})

    def step(self, batch, noise, reduce):
        info, gradients = reduce(self.gradients)(batch, noise)
        for number, (variable, gradient) in enumerate(zip(self.trained, gradients, strict=True)):
            moves = noise.at(purpose=Purpose.MOMENTUM, site=number, replica=0)
            drift = 0.5 * self.step_size * self.problem.num_train * gradient
            variable.assign_sub(drift - self.step_size**0.5 * moves.normal(variable.shape))
        return info

    def functions(self, num_samples, seed):
        stored = self.archive.stacked()
        chosen = tf.linspace(0, len(stored[0]) - 1, min(num_samples, len(stored[0])))
        chosen = tf.cast(tf.round(chosen), tf.int32)
        return StoredWeights(self.archive.variables, [tf.gather(v, chosen) for v in stored])

    def describe(self):
        return {"method": "Langevin", "step_size": self.step_size, "posterior": "its samples"}
