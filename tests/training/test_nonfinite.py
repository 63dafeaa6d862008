import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.objectives import NegativeELBO
from bnn.training import History, Info, NonFiniteLossError, Plan, fit, is_finite, locate, snapshot

PLAN = Plan(num_train=12, batch_size=4, epochs=4, report_every=4)


def train(job, first_step=0):
    fit(
        job.steps,
        PLAN,
        state=job.state,
        trained=job.toy.trained,
        checkpoints=job.checkpoints,
        averages=job.averages,
        first_step=first_step,
        report=lambda step, values: None,
    )


def fail(job):
    with pytest.raises(NonFiniteLossError) as caught:
        train(job)
    return caught.value


def spoiled(toy, at, change):
    """The toy's loss, its terms changed at one step."""

    def loss(inputs, targets, step):
        terms = toy.loss(inputs, targets, step)
        return change(terms, tf.where(tf.equal(step, at), 1.0, 0.0))

    return loss


@pytest.fixture(scope="module")
def clean_states(job_class, tmp_path_factory):
    """All state before each step of a training in which nothing goes wrong."""
    job = job_class(tmp_path_factory.mktemp("clean"))
    states = [job.values]
    for step in range(PLAN.total_steps):
        job.steps(step, 1)
        states.append(job.values)
    return states


@pytest.fixture
def assert_kept(make_job, same_bits, clean_states):
    """assert_kept(error): the newest checkpoint is the finite state before the bad step."""

    def check(error):
        restored = make_job()
        assert restored.checkpoints.restore() == error.step
        assert all(np.isfinite(v).all() for v in restored.values)
        same_bits(restored.values, clean_states[error.step])

    return check


OTHER = (
    lambda terms, now: terms._replace(metrics=terms.metrics | {"acceptance": 1 / (1 - now)}),
    "the step's acceptance is inf",
)
NAN_NLL = (
    lambda terms, now: terms._replace(
        loss=terms.loss + tf.math.log(0.5 - now),
        metrics=terms.metrics | {"nll": terms.metrics["nll"] + tf.math.log(0.5 - now)},
    ),
    "the negative log-likelihood is nan",
)
INFINITE_KL = (
    lambda terms, now: terms._replace(
        loss=terms.loss / (1 - now),
        metrics=terms.metrics
        | {"kl": terms.metrics["kl"] / (1 - now), "kl/0_dense/bias": 1 / (1 - now)},
    ),
    "the KL of site 0_dense/bias is not finite",
)


@pytest.mark.parametrize(
    ("change", "what"), [NAN_NLL, INFINITE_KL, OTHER], ids=["nll", "kl", "other"]
)
@pytest.mark.parametrize("at", [0, 6])
def test_a_bad_loss_names_step_and_term_and_keeps_the_state_before(
    make_job, assert_kept, toy, change, what, at
):
    error = fail(make_job(toy=toy, loss=spoiled(toy, at, change)))
    assert error.step == at
    assert str(error) == (
        f"the loss became non-finite at step {at}: {what}. The state before that step is kept. "
        "Lower the learning rate, clip gradients (clipnorm of the optimizer), or look at the "
        "inputs of that step."
    )
    assert_kept(error)


def test_a_bad_gradient_names_the_variables(make_job, assert_kept, toy):
    def loss(inputs, targets, step):
        terms = toy.loss(inputs, targets, step)
        factor = tf.where(tf.equal(step, 5), np.inf, 1.0)
        same = tf.custom_gradient(lambda value: (value, lambda upstream: upstream * factor))
        return terms._replace(loss=same(terms.loss))

    error = fail(make_job(toy=toy, loss=loss))
    assert error.step == 5
    assert "at step 5: the gradient of weights, bias is not finite" in str(error)
    assert_kept(error)


def test_nan_in_the_inputs_is_told_from_a_bad_model(make_job, assert_kept, toy, step_indices):
    inputs = toy.x.copy()
    inputs[4, 1] = np.nan
    order = step_indices(tf.range(3, dtype=tf.int64)).numpy()
    (first, _), *_ = np.argwhere(order == 4)
    error = fail(make_job(inputs=inputs))
    assert error.step == first
    assert f"at step {first}: the batch's inputs hold NaN or infinity" in str(error)
    assert_kept(error)


def test_an_update_that_overflows_names_the_variables(make_job, same_bits):
    fresh = make_job("fresh", optimizer=keras.optimizers.SGD(3e38))
    job = make_job(optimizer=keras.optimizers.SGD(3e38))
    error = fail(job)
    assert error.step == 0
    assert re.search(r"at step 0: the update made weights(, bias)? non-finite", str(error))
    same_bits(job.values, fresh.values)
    assert job.checkpoints.restore() == 0
    same_bits(job.values, fresh.values)


def test_looking_for_the_step_takes_the_path_of_the_call_that_failed(
    make_job, same_bits, toy, clean_states
):
    """A loss may move state, such as a baseline; looking at a step must not move it twice."""
    job = make_job(toy=toy, loss=spoiled(toy, 3, NAN_NLL[0]))
    error = fail(job)
    assert error.step == 3
    assert float(toy.average) != 0
    same_bits(job.values, clean_states[3])


def test_a_failure_that_does_not_repeat_says_so_and_keeps_the_state(make_job, same_bits):
    job = make_job()
    job.steps(0, 2)
    before = snapshot(job.variables)
    job.steps(2, 3)
    error = locate(job.steps, job.variables, before, job.toy.trained, 2, 3)
    assert error.step == 2
    assert "between this step and step 4, and not when these steps were repeated" in str(error)
    same_bits(job.values, [v.numpy() for v in before])


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_a_snapshot_does_not_follow_the_variables(make_job, jit_compile):
    job = make_job(jit_compile=jit_compile)
    before = job.values
    copies = snapshot(job.variables)
    job.steps(0, 4)
    changed = [np.any(a != b) for a, b in zip(job.values, before, strict=True)]
    assert sum(changed) > len(changed) // 2
    for copy, value in zip(copies, before, strict=True):
        np.testing.assert_array_equal(copy, value)


def test_finite_means_losses_and_variables():
    def history(**changes):
        good = np.ones(3, np.float32)
        loss = changes.pop("loss", good)
        return History(loss, {"nll": good, "acceptance": good, **changes})

    variable = keras.Variable([1.0, 2.0])
    assert is_finite(history(), [variable])
    for name in ("loss", "nll", "acceptance"):
        for bad in (np.nan, np.inf, -np.inf):
            assert not is_finite(history(**{name: np.array([1.0, bad, 1.0])}), [variable])
    variable.assign([1.0, np.nan])
    assert not is_finite(history(), [variable])


def test_an_exploding_posterior_is_named_by_its_site(make_job):
    """With a real network: σ² overflows in the KL of the one kernel that is too wide."""
    posteriors = {"kernel_posterior": bnn.posteriors.MeanFieldNormal(1e30), "use_bias": False}
    model = keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(2, use_bias=False, kernel_posterior=bnn.posteriors.Point()),
            bnn.layers.Dense(1, **posteriors),
        ]
    )
    objective = NegativeELBO(bnn.likelihoods.Normal(), num_train=12)
    estimator = bnn.estimators.Reparameterization()

    def loss(inputs, targets, step):
        terms = objective(model, inputs, targets, estimator=estimator, seed=0, step=step)
        by_site = {f"kl/{name}": kl for name, kl in terms.kl_by_site.items()}
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl, **by_site})

    job = make_job(loss=loss, variables=model.trainable_variables)
    trained = {v.path: v for v in model.trainable_variables}
    error = locate(
        job.steps, model.variables, snapshot(model.variables), trained, first_step=0, num_steps=2
    )
    assert "at step 0: the KL of site 1_dense/kernel is not finite" in str(error)
