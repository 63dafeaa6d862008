"""MNIST by a network of two layers of 400 units, with the families that scale to its weights."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
from scipy.special import log_softmax, logsumexp

import bnn
from bnn.data import mnist
from bnn.models import mlp
from bnn.posteriors import MeanFieldNormal
from experiments.families.cases import FAMILIES
from experiments.steps import training_steps

NAMES = (
    "MeanFieldNormal",
    "KTiedNormal, K = 2",
    "LowRankNormal, K = 4",
    "RankOne",
    "Radial",
    "GroupHorseshoe",
)
SETTINGS = {
    "epochs": 5,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "initial_scale": 0.02,
    "prior_scale": 0.3,
    "samples": 16,
    "hidden": 400,
    "seed": 0,
}


def train(family: str, data_dir: str | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Trains by the whole KL and evaluates: error in %, test NLL and −ELBO in nats an example."""
    start = time.process_time()
    data = mnist(data_dir, flatten=True)
    keras.utils.set_random_seed(settings["seed"])
    scale, prior = settings["initial_scale"], bnn.priors.Normal(scale=settings["prior_scale"])
    model = mlp(
        (784,),
        10,
        hidden=(settings["hidden"],) * 2,
        kernel_posterior=FAMILIES[family](scale),
        bias_posterior=MeanFieldNormal(scale),
        kernel_prior=prior,
        bias_prior=prior,
    )
    likelihood = bnn.likelihoods.Categorical()
    likelihood.build(10)
    per_epoch = data.num_train // settings["batch_size"]
    total = max(1, round(settings["epochs"] * per_epoch))
    steps = training_steps(
        model,
        bnn.objectives.NegativeELBO(likelihood, data.num_train),
        bnn.estimators.Reparameterization(),
        (data.x_train, data.y_train),
        keras.optimizers.Adam(bnn.schedules.Cosine(settings["learning_rate"]).for_keras(total)),
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        steps_per_call=min(per_epoch, total),
    )
    for first in range(0, total, steps.steps_per_call):
        history = steps(first, min(steps.steps_per_call, total - first))
    kl = float(np.ravel(history.metrics["kl"])[-1])
    nll = float(np.mean(history.metrics["nll"]))
    logits = bnn.predict(model, data.x_test, settings["samples"], seed=1, batch_size=1000)
    log_p = logsumexp(log_softmax(np.float64(logits), -1), 0) - np.log(settings["samples"])
    right = log_p[np.arange(len(log_p)), data.y_test]
    error = 100 * float(np.mean(log_p.argmax(-1) != data.y_test))
    parameters = int(sum(np.prod(v.shape) for v in model.trainable_variables))
    found = {
        "error": error,
        "nll": -float(right.mean()),
        "negative_elbo": nll + kl / data.num_train,
    }
    print(f"MNIST, {family}: {found}", flush=True)
    return found | {"parameters": parameters, "seconds": time.process_time() - start}
