"""A stack's members train as they would alone."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.data import ResidentBatches, StackedBatches, batch_indices
from bnn.objectives import NegativeELBO
from bnn.schedules import Cosine
from bnn.training import (
    Descent,
    Info,
    Stack,
    StackedSteps,
    TrainingSteps,
    padded,
    stacked_values,
)

SIZES = (20, 18)  # training examples of each member
BATCH, STEPS = 6, 12
ESTIMATORS = {
    "reparameterization": bnn.estimators.Reparameterization(),
    "local reparameterization": bnn.estimators.LocalReparameterization(),
}
PRIORS = {
    "fixed": bnn.priors.Normal(),
    "learned": bnn.priors.Normal(trainable=True),
    "mixture": bnn.priors.ScaleMixture(),
}


def make(seed, prior):
    """Model, likelihood and their trained variables."""
    keras.utils.set_random_seed(seed)
    sites = {"kernel_prior": prior, "bias_prior": prior}
    model = keras.Sequential(
        [
            keras.Input((3,)),
            bnn.layers.Dense(4, activation="relu", **sites),
            bnn.layers.Dense(1, **sites),
        ]
    )
    likelihood = bnn.likelihoods.Normal(0.5, trainable=True)
    likelihood.build(1)
    return model, likelihood, model.trainable_variables + likelihood.trainable_variables


def make_data(seed, size):
    random = np.random.RandomState(seed)
    x = random.normal(size=(size, 3)).astype(np.float32)
    return x, (x[:, :1] * x[:, 1:2] + 0.1 * random.normal(size=(size, 1))).astype(np.float32)


def optimizer():
    return keras.optimizers.Adam(Cosine(0.05).for_keras(STEPS))


def order(steps):
    of_member = [
        batch_indices(steps, batch_size=BATCH, num_train=size, seed=k)
        for k, size in enumerate(SIZES)
    ]
    return tf.stack(of_member, axis=1)


def info(terms):
    by_site = {f"kl/{name}": kl for name, kl in terms.kl_by_site.items()}
    return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl, **by_site})


def train_alone(k, estimator, prior):
    model, likelihood, variables = make(k, prior)
    x, y = make_data(k, SIZES[k])
    objective = NegativeELBO(likelihood, SIZES[k], num_samples=1)

    def loss(batch, noise):
        return info(objective(model, *batch[:2], estimator=estimator, noise=noise))

    steps = TrainingSteps(
        Descent(loss, optimizer(), variables),
        ResidentBatches(x, y, batch_size=BATCH, seed=k),
        k,
        steps_per_call=STEPS,
        jit_compile=False,
    )
    return steps(0, STEPS), variables, bnn.predict(model, x, 5, seed=k, jit_compile=False)


def train_stack(estimator, prior, jit_compile):
    made = [make(k, prior) for k in range(len(SIZES))]
    model, likelihood, variables = made[0]
    stack = Stack(variables, stacked_values([m[2] for m in made]))
    data = [make_data(k, size) for k, size in enumerate(SIZES)]

    def loss(batch, noise):
        objective = NegativeELBO(likelihood, batch.member["num_train"], num_samples=1)
        own = dataclasses.replace(noise, seed=batch.member["seed"])
        return info(objective(model, *batch[:2], estimator=estimator, noise=own))

    steps = StackedSteps(
        loss,
        stack,
        StackedBatches(
            padded([x for x, _ in data]),
            padded([y for _, y in data]),
            order,
            {"seed": np.arange(len(SIZES), dtype=np.uint64), "num_train": np.array(SIZES)},
        ),
        optimizer(),
        steps_per_call=STEPS,
        jit_compile=jit_compile,
    )
    return stack, steps, model, data


@pytest.mark.parametrize(
    ("estimator", "prior", "jit_compile"),
    [
        ("local reparameterization", "learned", False),
        pytest.param("reparameterization", "mixture", True, marks=pytest.mark.slow),
    ],
)
def test_members_train_as_alone(estimator, prior, jit_compile):
    estimator, prior = ESTIMATORS[estimator], PRIORS[prior]
    stack, steps, model, data = train_stack(estimator, prior, jit_compile)
    history = steps(0, STEPS)
    k = 1  # the smaller one, whose data are padded
    alone, variables, outputs = train_alone(k, estimator, prior)
    np.testing.assert_allclose(history.loss[:, k], alone.loss, rtol=1e-4)
    assert list(history.metrics) == list(alone.metrics)
    for name, values in alone.metrics.items():
        got = history.metrics[name][:, k]
        np.testing.assert_allclose(got, values, rtol=1e-4, err_msg=name)
    for value, variable in zip(stack.values, variables, strict=True):
        np.testing.assert_allclose(value[k], variable, rtol=1e-4, atol=1e-4)
    stack.load(k)
    again = bnn.predict(model, data[k][0], 5, seed=k, jit_compile=False)
    np.testing.assert_allclose(again, outputs, atol=1e-3)


def quadratic(factor=1.0, steps_per_call=12):
    """Two members of a least-squares problem; `factor` multiplies the second one's targets."""
    weights = keras.Variable(np.zeros((3, 1), np.float32))
    stack = Stack([weights], [np.ones((2, 3, 1))])
    data = [make_data(k, size) for k, size in enumerate(SIZES)]
    scale = np.float32([1.0, factor])[:, np.newaxis, np.newaxis]

    def loss(batch, noise):
        outputs = tf.matmul(batch.inputs, tf.convert_to_tensor(weights))
        error = tf.reduce_mean(tf.square(outputs - batch.targets))
        return Info(error, {"site": error})

    steps = StackedSteps(
        loss,
        stack,
        StackedBatches(padded([x for x, _ in data]), padded([y for _, y in data]) * scale, order),
        optimizer(),
        steps_per_call=steps_per_call,
        jit_compile=False,
    )
    return stack, steps


def test_members_do_not_touch_each_other():
    """Other data of one member change its own training and nothing of the other's."""
    values = []
    for factor in (1.0, 2.0):
        stack, steps = quadratic(factor)
        steps(0, 12)
        values.append(stack.values[0].numpy())
    np.testing.assert_array_equal(values[0][0], values[1][0])
    assert np.abs(values[0][1] - values[1][1]).max() > 1e-3


def test_short_calls_are_one_long_call():
    stack, together = quadratic()
    history = together(0, 12)
    assert history.loss.shape == history.metrics["site"].shape == (12, len(SIZES))
    in_pieces, pieces = quadratic(steps_per_call=5)
    parts = [pieces(0, 5), pieces(5, 5), pieces(10, 2)]
    np.testing.assert_allclose(np.concatenate([p.loss for p in parts]), history.loss, rtol=1e-6)
    np.testing.assert_allclose(in_pieces.values[0], stack.values[0], rtol=1e-6)


def test_map_gives_every_member_its_values_and_slices():
    variable = keras.Variable(np.zeros(2, np.float32))
    stack = Stack([variable], [np.arange(6.0).reshape(3, 2)])
    got = stack.map(
        lambda x: x * tf.convert_to_tensor(variable), tf.constant([[1.0], [2.0], [3.0]])
    )
    np.testing.assert_array_equal(got, [[0, 1], [4, 6], [12, 15]])
    np.testing.assert_array_equal(variable, [0, 0])
    stack.load(2)
    np.testing.assert_array_equal(variable, [4, 5])


def test_bitcasts_are_mapped():
    stack = Stack([keras.Variable(0.0)], [np.zeros(3)])
    x = tf.constant([[1.0, 2.0], [-1.0, 0.5], [0.0, 3.0]])
    got = stack.map(lambda x: tf.bitcast(x, tf.int32), x)
    np.testing.assert_array_equal(got, x.numpy().view(np.int32))


def test_padding_adds_zeros_at_the_end():
    got = padded([np.ones((2, 3)), np.ones((1, 3))])
    np.testing.assert_array_equal(got, [np.ones((2, 3)), [[1, 1, 1], [0, 0, 0]]])


# --- Errors -----------------------------------------------------------------------------------


@pytest.fixture
def one():
    variable = keras.Variable(np.zeros(2, np.float32))
    return variable, Stack([variable], [np.zeros((3, 2))])


def make_steps(stack, inputs=np.zeros((3, 4, 1), np.float32), **options):  # noqa: B008
    given = {"loss": None, "optimizer": keras.optimizers.SGD(0.1)} | options
    members = given.pop("members", None)
    batches = StackedBatches(
        inputs, inputs, lambda steps: tf.zeros([len(steps), 3, 2], tf.int32), members
    )
    return StackedSteps(given.pop("loss"), stack, batches, given.pop("optimizer"), **given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "one array per variable"),
        ([np.zeros((3, 5))], r"must be of shape \[K, 2\]"),
        ([np.zeros(2)], r"must be of shape \[K, 2\]"),
    ],
)
def test_unfit_values(values, message):
    with pytest.raises(ValueError, match=message):
        Stack([keras.Variable(np.zeros(2, np.float32))], values)


@pytest.mark.parametrize("member", [-1, 3])
def test_no_such_member(one, member):
    with pytest.raises(ValueError, match=f"member must be from 0 to 2, got {member}"):
        one[1].load(member)


def test_changed_variables_are_refused(one):
    average = keras.Variable(0.0)

    def function():
        average.assign(1.0)
        return tf.convert_to_tensor(one[0])

    with pytest.raises(ValueError, match="must not change variables"):
        one[1].map(function)


@pytest.mark.parametrize(
    "mixing",
    [
        lambda: keras.optimizers.Adam(clipnorm=1.0),
        lambda: keras.optimizers.Adam(global_clipnorm=1.0),
        lambda: keras.optimizers.Lamb(),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    ],
)
def test_optimizers_that_mix_members_are_refused(one, mixing):
    with pytest.raises(ValueError, match="must work element by element"):
        make_steps(one[1], optimizer=mixing())


def test_an_optimizer_that_decays_scales_is_refused(one):
    with pytest.raises(ValueError, match=r"must not decay weights, got weight_decay = 0\.1"):
        make_steps(one[1], optimizer=keras.optimizers.AdamW(weight_decay=0.1))


def test_arrays_without_the_members_axis_are_refused(one):
    with pytest.raises(ValueError, match="inputs must have a first axis of the stack's 3 members"):
        make_steps(one[1], np.zeros((4, 1), np.float32))
    with pytest.raises(ValueError, match="members must have a first axis"):
        make_steps(one[1], members={"seed": np.zeros(2)})


def test_steps_out_of_range(one):
    with pytest.raises(ValueError, match="steps_per_call must be at least 1"):
        make_steps(one[1], steps_per_call=0)
    with pytest.raises(ValueError, match="num_steps must be from 1 to steps_per_call=100"):
        make_steps(one[1])(0, 101)


def test_a_loss_that_is_not_finite_names_its_members(one):
    variable, stack = one
    factors = np.array([1.0, np.inf, 1.0], np.float32)

    def loss(batch, noise):
        value = tf.reduce_sum(tf.square(tf.convert_to_tensor(variable) + 1.0))
        value = value * batch.member["factor"]
        return Info(value, {"site": value})

    steps = make_steps(stack, loss=loss, members={"factor": factors}, jit_compile=False)
    with pytest.raises(FloatingPointError, match=r"members \[1\] is not finite, first at step 7"):
        steps(7, 2)
