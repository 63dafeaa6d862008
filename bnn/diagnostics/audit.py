"""An audit of a training loop: does it train the posterior that its author has in mind?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import innermost_optimizer
from bnn.diagnostics.audit_calls import (
    kl_among_losses,
    left_out,
    not_in_training_mode,
    outside_of_draws,
    state_restored,
)
from bnn.diagnostics.audit_words import (
    kl_in_words,
    unseen_kl_in_words,
    wrong_kl_by_hand_in_words,
)
from bnn.diagnostics.findings import Audit, Finding
from bnn.diagnostics.kl_by_hand import kl_by_hand
from bnn.diagnostics.ledger_report import ledger_report
from bnn.diagnostics.loop import Loop, Measured, measure
from bnn.diagnostics.report import Verdict
from bnn.draw import Draw
from bnn.estimators import Estimator, Reparameterization
from bnn.likelihoods import Likelihood
from bnn.objectives.checks import require_tracked
from bnn.sites import sites
from bnn.weight_decay import decayed_scales

_ONCE = "KL counted once, divided by N"  # a check's name
# Relative error of a factor that arithmetic in float32 explains.
_EXACT = 1e-3
_Z_LIMIT = 6.0
# A gradient that is off by less, of its own size, is not called wrong.
_LEAST = 0.1
_LEAST_KL = 0.25  # of a KL, by the gradient


def audit(
    model: keras.Model,
    loss: Callable[..., tf.Tensor] | keras.Model | None,
    batch: Any,
    *,
    likelihood: Likelihood | None = None,
    num_train: int | None = None,
    kl_weight: float = 1.0,
    optimizer: keras.optimizers.Optimizer | None = None,
    estimator: Estimator | None = None,
    num_steps: int = 16,
) -> Audit:
    """Audits a loss function, or a `bnn.BayesianModel`, on one batch; nothing is trained.

    Looked at: whether every drawn site is in the ledger, whether the KL counts KL weight / N once,
    whether the loss's gradient is the objective's (that of `bnn.objectives.NegativeELBO`), whether
    the noise moves with the step, whether weight decay spares the scales, and whether posteriors
    have collapsed; where there is something to see, whether the model is called in training mode,
    and whether a built optimizer has every variable. The KL's factor is exact; gradients are
    compared by their means over steps. A KL that is written by hand, in place of `bnn.ledger`, is
    held against the ledger where scales and means are moved, for a while, to other values.

    Args:
      model: built; the network, or the BayesianModel itself.
      loss: the loop's loss as a function of (inputs, targets, step), or of (inputs, targets) where
        it counts for itself; a BayesianModel; or None where `model` is one.
      batch: (inputs, targets), tensors or arrays.
      likelihood: p(y | outputs) that the loop has in mind; a BayesianModel's own where None.
      num_train: N; what a BayesianModel was fitted with where None.
      kl_weight: the tempering that is meant.
      optimizer: of the loop, built or not; not looked at where None.
      estimator: of the objective's gradient; `Reparameterization` where None, which serves all.
      num_steps: steps over which gradients are averaged.

    Raises:
      ValueError: likelihood or num_train missing, or a batch that is no pair.
    """
    bayesian = loss if loss is not None else model
    if hasattr(bayesian, "kl_weight_at"):  # a BayesianModel, which stands above this module
        return _audit_fitted(bayesian, batch, num_train, estimator, num_steps)
    if not callable(loss):
        raise ValueError(
            f"loss must be a function of (inputs, targets, step) or a bnn.BayesianModel, got "
            f"{loss!r}."
        )
    if likelihood is None or num_train is None:
        missing = "likelihood" if likelihood is None else "num_train"
        raise ValueError(
            f"audit needs {missing}, to compare the loss with the negative ELBO; pass for example "
            "likelihood=bnn.likelihoods.Categorical(), num_train=60000."
        )
    chosen = estimator if estimator is not None else Reparameterization()
    loop = Loop(model, loss, _pair(batch), likelihood, int(num_train), float(kl_weight), chosen)
    return _audit(loop, optimizer, num_steps)


def _audit_fitted(
    model: Any, batch: Any, num_train: int | None, estimator: Estimator | None, num_steps: int
) -> Audit:
    if num_train is not None:
        model.num_train.assign(float(num_train))
    held = float(model.num_train)
    if held < 1:
        raise ValueError(
            "audit needs num_train: this BayesianModel has not been fitted yet; pass num_train= "
            "the number of training examples."
        )

    def loss(inputs: Any, targets: Any, step: Any) -> tf.Tensor:
        return model.terms(inputs, targets, step=step).loss

    loop = Loop(
        model.network,
        loss,
        _pair(batch),
        model.likelihood,
        round(held),
        float(model.kl_weight_at(0)),
        estimator if estimator is not None else Reparameterization(),
    )
    return _audit(loop, model.optimizer, num_steps)


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(
            f"batch must be (inputs, targets), got {type(batch).__name__}; pass one batch of the "
            "training data."
        )
    inputs, targets = (keras.tree.map_structure(tf.convert_to_tensor, part) for part in batch[:2])
    return inputs, targets


def _audit(loop: Loop, optimizer: keras.optimizers.Optimizer | None, num_steps: int) -> Audit:
    with state_restored(loop.model):
        findings = [_tracked(loop)]
        if findings[0].verdict is Verdict.PASS:
            findings.append(_moves(loop))
            measured = measure(loop, num_steps)
            kl, foreign = _ledgers_kl(loop, measured), None
            if kl is None:
                foreign = _foreign_kl(loop, measured)
                kl = foreign or _wrong(kl_in_words(loop, measured.kl_factors))
            findings += [kl, _gradient(loop, measured, foreign)]
        findings += [_decay(loop, optimizer), _collapsed(loop)]
        findings += [one for one in (_mode(loop), _trained(loop, optimizer)) if one is not None]
    return Audit(tuple(findings))


def _mode(loop: Loop) -> Finding | None:
    """None of a model whose calls are the same in training."""
    name = "the model is called as in training"
    missing = not_in_training_mode(loop)
    if missing is None:
        return None
    if not missing:
        return Finding(name, Verdict.PASS, "what a call in training changes, the loss changes.")
    words = (
        f"a call in training changes {', '.join(missing)}, the loss does not: dropout is off, and "
        "moving statistics stay where they are. Call model(x, training=True)."
    )
    return Finding(name, Verdict.FAIL, words)


def _trained(loop: Loop, optimizer: keras.optimizers.Optimizer | None) -> Finding | None:
    """None where no optimizer, or one that has not been built, was given."""
    name = "the optimizer has every variable"
    missing = None if optimizer is None else left_out(loop, optimizer)
    if missing is None:
        return None
    if not missing:
        return Finding(name, Verdict.PASS, "all that the objective trains.")
    words = (
        f"{', '.join(missing)} would stay where they begin: the optimizer was built without them. "
        "Give it model.trainable_variables and likelihood.trainable_variables."
    )
    return Finding(name, Verdict.FAIL, words)


def _tracked(loop: Loop) -> Finding:
    name = "drawn sites in the ledger"
    with Draw(0, loop.estimator) as draw:
        loop.model(loop.batch[0], training=False)
    try:
        require_tracked(loop.model, draw)
    except ValueError as error:
        return Finding(name, Verdict.FAIL, str(error))
    unused = [n for n, site in sites(loop.model).items() if site not in draw.sites]
    if unused:
        words = f"{', '.join(unused)} is never drawn in a call, but its KL is counted: remove it"
        return Finding(name, Verdict.FAIL, words + ", or call its layer.")
    return Finding(name, Verdict.PASS, f"all {len(draw.sites)} of them.")


def _moves(loop: Loop) -> Finding:
    name = "noise moves with the step"
    if all(site.posterior.deterministic for site in sites(loop.model).values()):
        return Finding(name, Verdict.SKIP, "no weight is random.")
    if outside := outside_of_draws(loop):
        words = (
            f"{', '.join(outside)} called without a draw, which is the function of the mean "
            "weights: the scales have no likelihood. Put `with bnn.Draw(seed, estimator, "
            "step=step):` around the model's call."
        )
        return Finding(name, Verdict.FAIL, words)
    first, second, third = (float(loop.at(step)) for step in range(3))
    if first == second == third:
        words = (
            f"three steps have the same loss, {first:.6g}: the loop trains one frozen weight "
            "sample. Pass the number of the step, as a tensor where the function is compiled: "
            "bnn.Noise(seed, step), or step= of the objective."
        )
        return Finding(name, Verdict.FAIL, words)
    return Finding(
        name, Verdict.PASS, f"losses of three steps: {first:.6g}, {second:.6g}, {third:.6g}."
    )


def _wrong(words: str) -> Finding:
    return Finding(_ONCE, Verdict.FAIL, words)


def _ledgers_kl(loop: Loop, measured: Measured) -> Finding | None:
    """What is found of the KL by the ledger; None where it is neither right nor added twice."""
    wanted = loop.kl_weight / loop.num_train
    if added := kl_among_losses(loop):
        words = (
            f"model.losses depend on scales, such as {added[0]}: a KL by add_loss, which "
            "bnn.objectives count beside the ledger, as Keras's fit would. Take the add_loss out; "
            "the ledger has the KL of every site."
        )
        return _wrong(words)
    factors = measured.kl_factors
    right = {
        n: abs(f / (wanted * measured.scale) - 1) <= _EXACT if wanted else f == 0
        for n, f in factors.items()
    }
    if all(right.values()) and measured.scale == 1.0 and _counts_another(loop, measured):
        words = (
            f"the ledger is counted once, but by its gradient the loss has the KL "
            f"{measured.counted:.3g} times: another one, written by hand, stands beside it. Take "
            "it out."
        )
        return _wrong(words)
    if all(right.values()):
        words = f"every site counts {loop.kl_weight:g} / {loop.num_train}."
        if measured.scale != 1.0:
            words += (
                f" The whole loss is {measured.scale:.4g} times the objective's, NLL and KL alike: "
                "the same optimum, but learning rates and gradient clipping see it."
            )
        return Finding(_ONCE, Verdict.PASS, words)
    return None


def _foreign_kl(loop: Loop, measured: Measured) -> Finding | None:
    """What is found of a KL that is not the ledger's; None where there is none to be seen."""
    if any(measured.kl_factors.values()):
        return None
    by_hand = kl_by_hand(loop)
    if by_hand is not None:
        if by_hand.is_absent:
            return None
        if by_hand.is_right:
            words = "not by the ledger; it moves with scales and means as the ledger does."
            return Finding(_ONCE, Verdict.PASS, words)
        return _wrong(wrong_kl_by_hand_in_words(loop, by_hand))
    if measured.whole_gradient_agrees:
        words = (
            "not by the ledger; by the gradient, which agrees with that of the whole objective, as "
            "far as its noise and these scales show; bnn.ledger is exact."
        )
        return Finding(_ONCE, Verdict.PASS, words)
    if abs(measured.counted) < _LEAST_KL * loop.kl_weight:
        return None
    return _wrong(unseen_kl_in_words(loop, measured.counted))


def _counts_another(loop: Loop, measured: Measured) -> bool:
    """Whether likelihood's part is right, but half a KL or more too much is in the gradient."""
    is_right = abs(measured.ratio - 1) < _LEAST or abs(measured.z) < _Z_LIMIT
    return is_right and bool(abs(measured.counted - loop.kl_weight) > 0.5 * loop.kl_weight)


def _gradient(loop: Loop, measured: Measured, foreign: Finding | None) -> Finding:
    name = "gradient is the objective's"
    missing = measured.without_gradient
    if missing:
        words = (
            f"no gradient reaches {', '.join(missing)}, though the objective has one there; sample "
            "the weights inside of the tape, and leave out stop_gradient and .numpy()."
        )
        return Finding(name, Verdict.FAIL, words)
    off = measured.ratio / measured.scale - 1
    if abs(off) > _LEAST and foreign is not None and foreign.verdict is Verdict.FAIL:
        words = "the KL that is not the ledger's is in it: mend that first."
        return Finding(name, Verdict.UNRESOLVED, words)
    if abs(off) > _LEAST and abs(measured.z) > _Z_LIMIT:
        batch = len(keras.tree.flatten(loop.batch[0])[0])
        hint = f" (the batch has {batch} examples: a sum in place of a mean?)"
        words = (
            f"the likelihood's part is {measured.ratio:.3g} ± {measured.standard_error:.2g} times "
            f"that of the negative ELBO per example{hint if measured.ratio > 1.5 else ''}; use the "
            "mean of −log p over the batch, in the same sample of the weights."
        )
        return Finding(name, Verdict.FAIL, words)
    if not np.isfinite(measured.standard_error) or measured.standard_error > 0.5:
        words = (
            f"the likelihood's part is {measured.ratio:.3g} ± {measured.standard_error:.2g} times "
            "the objective's: too much noise to tell; raise num_steps."
        )
        return Finding(name, Verdict.UNRESOLVED, words)
    words = f"its likelihood's part {measured.ratio:.3g} ± {measured.standard_error:.2g} times."
    return Finding(name, Verdict.PASS, words)


def _decay(loop: Loop, optimizer: keras.optimizers.Optimizer | None) -> Finding:
    name = "weight decay spares the scales"
    if optimizer is None:
        return Finding(name, Verdict.SKIP, "no optimizer was given.")
    decayed = decayed_scales(optimizer, loop.model, loop.likelihood)
    if not decayed:
        return Finding(name, Verdict.PASS, "no scale is decayed.")
    inner = innermost_optimizer(optimizer)
    rule = "weight decay"
    remedy = "Use an optimizer of Keras, whose decay leaves them alone, or none: the prior is one."
    if not inner.weight_decay:
        rule, remedy = "rule", "Use for example keras.optimizers.Adam()."
    words = (
        f"{type(inner).__name__}'s {rule} moves {len(decayed)} scales, such as {decayed[0].path}, "
        f"towards ln σ = 0, that is σ = 1, without any gradient. {remedy}"
    )
    return Finding(name, Verdict.FAIL, words)


def _collapsed(loop: Loop) -> Finding:
    name = "posteriors have not collapsed"
    report = ledger_report(loop.model, loop.num_train)
    found = [w for w in report.warnings if "collapsed" in w]
    if found:
        return Finding(name, Verdict.FAIL, " ".join(found))
    return Finding(name, Verdict.PASS, f"KL {report.kl_per_example:.4g} nats per example.")
