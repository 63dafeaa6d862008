"""The one function that samplers see: the log joint of weights and data."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from bnn.compat import all_layers
from bnn.data import Batch
from bnn.estimators import Mean
from bnn.layers import BatchNormalization
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.sites import sites
from bnn.training import Info


def negative_log_joint(
    problem: Problem,
    batch: Batch,
    noise: Noise,
    training: bool = True,
    objective: NegativeELBO | None = None,
) -> Info:
    """−log p(w, y) / N = −(1/B) Σ_b log p(y_b | x_b, w) − log p(w) / N + R(w), from a batch.

    w are the values of `Point` posteriors, whose ledger is −log p(w); R is the model's own Keras
    regularization. Metrics: nll (nats per example), kl and kl/<site> (−log p(w), nats).

    Args:
      problem: with a model of `Point` posteriors.
      batch: of B examples.
      noise: of the step, for layers that have a use for it.
      training: passed to the model.
      objective: another one, which counts something else than the ledger.
    """
    objective = NegativeELBO() if objective is None else objective
    terms = objective.bind(problem.likelihood, problem.num_train)(
        problem.model,
        batch.inputs,
        batch.targets,
        estimator=Mean(),
        noise=noise,
        training=training,
        weights=getattr(batch, "weights", None),
    )
    by_site = {f"kl/{name}": kl for name, kl in terms.kl_by_site.items()}
    return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl, **by_site})


def sampled_weights(problem: Problem, name: str) -> list[keras.Variable]:
    """The weights that have a prior, one variable a site, in the model's order.

    Args:
      problem: with a model of `Point` posteriors.
      name: of the method, for messages.

    Raises:
      ValueError: a random posterior, a weight without a prior or with a constraint, a layer whose
        outputs are no function of weights and inputs.
    """
    found = sites(problem.model)
    if not found:
        raise ValueError(
            f"method {name} needs a prior for the weights, but model {problem.model.name!r} has no "
            "Bayesian layer; use bnn.layers, or bnn.convert(model)."
        )
    weights, others = [], list(problem.likelihood.trainable_variables)
    for label, site in found.items():
        if not site.posterior.deterministic:
            raise ValueError(
                f"method {name} samples the weights themselves and needs Point posteriors, but "
                f"site {label} has {type(site.posterior).__name__}; build the model in "
                "`with bnn.posteriors.points():`."
            )
        weights += [v for v in site.posterior.variables if v.trainable]
        others += [v for v in site.prior.variables if v.trainable]
    _check_variables(problem, weights, others, name)
    check_functions(problem.model, name)
    return weights


def _check_variables(
    problem: Problem,
    weights: Sequence[keras.Variable],
    others: Sequence[keras.Variable],
    name: str,
) -> None:
    known = {id(v) for v in (*weights, *others)}
    plain = [v.path for v in problem.trained if id(v) not in known]
    if plain:
        raise ValueError(
            f"method {name} needs a prior for every weight, and {', '.join(plain)} have none; use "
            "the layer's namesake in bnn.layers, bnn.convert(model), or layer.trainable = False."
        )
    bound = [v.path for v in weights if v.constraint is not None]
    if bound:
        raise ValueError(
            f"method {name} moves weights freely, and {', '.join(bound)} have a Keras constraint; "
            "leave it off."
        )


def check_functions(model: keras.Model, name: str) -> None:
    """Raises ValueError for a layer whose outputs are no function of weights and inputs."""
    for layer in all_layers(model):
        batch_norm = isinstance(layer, (keras.layers.BatchNormalization, BatchNormalization))
        if batch_norm or any(
            isinstance(v, keras.random.SeedGenerator) for v in vars(layer).values()
        ):
            remedy = "LayerNormalization or GroupNormalization" if batch_norm else "no dropout"
            raise ValueError(
                f"method {name} needs a model that is a function of weights and inputs, but layer "
                f"{layer.name!r} ({type(layer).__name__}) depends on "
                f"{'the batch' if batch_norm else 'random masks'}; use {remedy}."
            )
