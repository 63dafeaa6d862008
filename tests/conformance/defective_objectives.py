"""Objectives that scale the KL wrongly or spoil the surrogate, and a defective ledger."""

import importlib
import types
from unittest import mock

import tensorflow as tf
from planted import Defect
from tensorflow_probability import distributions as tfd

from bnn import estimators as e
from bnn import priors
from bnn.divergences import divergence
from bnn.objectives import NegativeELBO, negative_elbo


def leave_one_out():
    return e.ScoreFunction(e.LeaveOneOut())


class ScaledKL(NegativeELBO):
    """The KL times a factor: averaged, divided by the batch, counted again."""

    def __init__(self, *args, factor, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor

    def __call__(self, model, inputs, *args, **kwargs):
        terms = super().__call__(model, inputs, *args, **kwargs)
        kl = self.factor(self, model, inputs) * terms.kl
        return terms._replace(loss=terms.loss + (kl - terms.kl) / self.num_train, kl=kl)


class DivisorKL(NegativeELBO):
    """Reports the right KL but divides it by the batch size."""

    def __call__(self, model, inputs, *args, **kwargs):
        terms = super().__call__(model, inputs, *args, **kwargs)
        return terms._replace(
            loss=terms.loss + terms.kl / inputs.shape[0] - terms.kl / self.num_train
        )


class LostOnRetracing(NegativeELBO):
    """Collects the KL the first time it is traced only, as a list filled by `add_loss` may be."""

    kept = True

    def __call__(self, *args, **kwargs):
        terms = super().__call__(*args, **kwargs)
        loss = terms.loss if self.kept else terms.loss - terms.kl / self.num_train
        self.kept = False
        return terms._replace(loss=loss)


def with_surrogate(defective):
    class Objective(NegativeELBO):
        def __call__(self, *args, **kwargs):
            with mock.patch.object(negative_elbo, "surrogate", defective):
                return super().__call__(*args, **kwargs)

    return Objective


def score_in_the_value(values, scores, log_weights, baseline, norms):
    advantage = tf.stop_gradient(values - baseline(values, norms))
    return tf.reduce_mean(values + advantage * scores)


def without_weights(values, scores, log_weights, baseline, norms):
    advantage = tf.stop_gradient(values - baseline(values, norms))
    return tf.reduce_mean(values + advantage * (scores - tf.stop_gradient(scores)))


def centred_value(values, scores, log_weights, baseline, norms):
    advantage = tf.stop_gradient(values - baseline(values, norms))
    return tf.reduce_mean(advantage * (1 + scores - tf.stop_gradient(scores)))


def kl_factor(factor):
    return lambda *args, **kwargs: ScaledKL(*args, factor=factor, **kwargs)


def objective_defect(name, caught_by, check, objective, estimator=e.Reparameterization, **more):
    return Defect(name, caught_by, check, estimator, arguments={"objective": objective, **more})


OBJECTIVES = [
    objective_defect(
        "KL averaged over weights",
        "KL of the objective",
        "gradients",
        kl_factor(lambda objective, model, x: 1 / model.count_params()),
    ),
    objective_defect(
        "KL averaged over sites",
        "KL of the objective",
        "gradients",
        kl_factor(lambda objective, model, x: 1 / 2),
    ),
    objective_defect(
        "KL counted once for every sample",
        "KL of the objective",
        "gradients",
        kl_factor(lambda objective, model, x: objective.num_samples),
        num_samples=2,
    ),
    objective_defect(
        "KL counted once for every sample, seen with one sample",
        "KL invariant to the number of samples",
        "ledger",
        kl_factor(lambda objective, model, x: objective.num_samples),
    ),
    objective_defect(
        "KL counted once for every time step",
        "KL of the objective",
        "gradients",
        kl_factor(lambda objective, model, x: x.shape[1]),
        input_shape=(2, 3, 3),
    ),
    objective_defect(
        "KL divided by the batch size", "loss = nll + KL / num_train", "gradients", DivisorKL
    ),
    objective_defect(
        "KL depends on the batch size",
        "KL invariant to batch size and retracing",
        "ledger",
        kl_factor(lambda objective, model, x: x.shape[0]),
    ),
    objective_defect(
        "KL lost on retracing",
        "KL invariant to batch size and retracing",
        "ledger",
        LostOnRetracing,
    ),
    objective_defect(
        "score term has a value",
        "value unchanged by the score term",
        "gradients",
        with_surrogate(score_in_the_value),
        leave_one_out,
    ),
    objective_defect(
        "baseline subtracted from the value",
        "value unchanged by the score term",
        "gradients",
        with_surrogate(centred_value),
        leave_one_out,
    ),
    objective_defect(
        "objective forgets importance weights",
        "value unchanged by the score term",
        "gradients",
        with_surrogate(without_weights),
        lambda: e.ScoreFunction(e.LeaveOneOut(), e.DefensiveMixture(1.5)),
    ),
]

ledger_module = importlib.import_module("bnn.ledger")  # bnn.ledger is the function
MIXTURE = {"prior": priors.ScaleMixture(0.5, 1.0, 0.1)}


def reversed_kl(site, noise, estimate=None):
    return tf.reduce_sum(
        tfd.kl_divergence(site.prior.distribution(), site.posterior.distribution())
    )


def without_entropy(site, noise, estimate=None):
    log_prior = site.prior.distribution().log_prob(site.posterior.sample(noise))
    return -tf.reduce_sum(log_prior)


LEDGER = [
    Defect(
        "Monte-Carlo KL reuses the noise of the outputs",
        "KL noise independent of the outputs",
        "gradients",
        e.Reparameterization,
        arguments=MIXTURE,
        patch=(divergence, "Purpose", types.SimpleNamespace(KL=0)),
    ),
    Defect(
        "KL of the wrong direction",
        "KL kernel",
        "gradients",
        e.Reparameterization,
        patch=(ledger_module, "site_kl", reversed_kl),
    ),
    Defect(
        "Monte-Carlo KL without entropy",
        "KL kernel",
        "gradients",
        e.Reparameterization,
        arguments=MIXTURE,
        patch=(ledger_module, "site_kl", without_entropy),
    ),
]
