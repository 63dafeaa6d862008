"""Langevin samplers with one mistake each."""

import tensorflow as tf
from my_package.langevin import Langevin

from bnn.noise import Purpose
from bnn.prediction import StoredWeights


class WithFactors(Langevin):
    """w ← w − drift · ½ ε ∇U + noise · √ε ξ."""

    drift = noise = 1.0

    def step(self, batch, noise, reduce):
        info, gradients = reduce(self.gradients)(batch, noise)
        for number, (variable, gradient) in enumerate(zip(self.trained, gradients, strict=True)):
            moves = noise.at(purpose=Purpose.MOMENTUM, site=number, replica=0)
            slope = self.drift * 0.5 * self.step_size * self.problem.num_train * gradient
            spread = self.noise * self.step_size**0.5
            variable.assign_sub(slope - spread * moves.normal(variable.shape))
        return info


class WithoutRootTwo(WithFactors):
    """√(ε/2) ξ, which fits a drift of ¼ ε."""

    noise = 0.5**0.5


class TooWarm(WithFactors):
    """The noise of temperature 1.5 beside the drift of 1."""

    noise = 1.5**0.5


class DriftWithoutN(WithFactors):
    """The gradient of the loss per example."""

    drift = 1 / 32


class PriorByBatch(Langevin):
    """The prior is divided by the batch, and so counts N / B times."""

    def loss(self, batch, noise, training=True):
        info = super().loss(batch, noise, training)
        kl = info.metrics["kl"]
        return info._replace(loss=info.metrics["nll"] + kl / batch.targets.shape[0])


class OneFunction(Langevin):
    """Every function is the last sample."""

    def functions(self, num_samples, seed):
        last = [values[-1:] for values in self.archive.stacked()]
        return StoredWeights(
            self.archive.variables, [tf.repeat(values, num_samples, axis=0) for values in last]
        )


class SamplesElsewhere(Langevin):
    """Samples are kept in a list that no checkpoint has."""

    def build(self, problem):
        super().build(problem)
        kept = self.kept = []
        note = self.archive.note

        def noted(step):
            note(step)
            kept[len(kept) :] = self.archive.entries[-1:]

        self.archive.note = noted

    def functions(self, num_samples, seed):
        kept = self.kept or [[v.numpy() for v in self.archive.variables]]
        return StoredWeights(
            self.archive.variables, [tf.stack(column) for column in zip(*kept, strict=True)]
        )


class CounterElsewhere(Langevin):
    """Its step size falls with a counter that no checkpoint has."""

    def build(self, problem):
        super().build(problem)
        self.count = tf.Variable(0.0, trainable=False)

    def step(self, batch, noise, reduce):
        self.count.assign_add(1.0)
        before = [tf.identity(v) for v in self.trained]
        info = super().step(batch, noise, reduce)
        for variable, old in zip(self.trained, before, strict=True):
            variable.assign(old + (variable - old) / (1.0 + 0.01 * self.count))
        return info
