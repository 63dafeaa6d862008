"""Training losses as people write them, and what an audit finds in them."""

import tensorflow as tf

import bnn
from bnn.diagnostics import audit

N, B = 1000, 20
ESTIMATOR = bnn.estimators.Reparameterization()
KL = "KL counted once, divided by N"
LIKELIHOOD = bnn.likelihoods.Normal(scale=0.5)


def loop(model, kl_part, seed=5):
    """A loss as people write it: −log p of a draw, and `kl_part` of the ledger."""

    def loss(x, y, step):
        with bnn.Draw(seed, ESTIMATOR, step=step):
            outputs = model(x, training=True)
        nll = -tf.reduce_mean(LIKELIHOOD.log_prob(outputs, y))
        return nll + kl_part(sum(bnn.ledger(model, step=step).values()))

    return loss


DEFAULTS = {"likelihood": LIKELIHOOD, "num_train": N, "num_steps": 8}


def audited(model, loss, batch, **options):
    return audit(model, loss, batch, **{**DEFAULTS, **options})


def failures(found):
    return {finding.name: finding.words for finding in found.failed}
