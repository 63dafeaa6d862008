import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn.likelihoods import HeteroscedasticNormal, Normal

S, B, D = 5, 6, 3


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.fixture(params=["normal", "heteroscedastic"])
def case(request, rng):
    """Likelihood, outputs `[S, B, …]`, and the locs and scales `[S, B, D]` that they mean."""
    loc = rng.normal(size=(S, B, D)).astype(np.float32)
    if request.param == "normal":
        return Normal(0.7), loc, loc, np.full_like(loc, 0.7)
    raw = rng.normal(size=(S, B, D)).astype(np.float32)
    return (
        HeteroscedasticNormal(0.01),
        np.concatenate([loc, raw], axis=-1),
        loc,
        softplus(raw) + 0.01,
    )


@pytest.fixture
def targets(rng):
    return rng.normal(size=(B, D)).astype(np.float32)


# --- log p --------------------------------------------------------------------------------------


def test_log_prob_is_the_sum_over_the_columns(case, targets):
    likelihood, outputs, loc, scale = case
    log_prob = likelihood.log_prob(tf.constant(outputs[0]), tf.constant(targets))
    assert log_prob.shape == (B,)
    expected = scipy.stats.norm.logpdf(targets, loc[0], scale[0]).sum(axis=-1)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4)


def test_one_column_with_or_without_its_axis(case, targets):
    likelihood, outputs, loc, scale = case
    columns = [0] if isinstance(likelihood, Normal) else [0, D]
    outputs = outputs[0][:, columns]
    expected = scipy.stats.norm.logpdf(targets[:, 0], loc[0, :, 0], scale[0, :, 0])
    for y in (targets[:, 0], targets[:, :1]):
        np.testing.assert_allclose(likelihood.log_prob(outputs, y), expected, rtol=1e-4)


def test_half_precision_outputs_are_computed_in_float32(case, targets):
    likelihood, outputs, _, _ = case
    half = tf.constant(outputs[0], tf.bfloat16)
    log_prob = likelihood.log_prob(half, targets)
    assert log_prob.dtype == tf.float32
    expected = likelihood.log_prob(tf.cast(half, tf.float32), targets)
    np.testing.assert_array_equal(log_prob, expected)


def test_targets_of_another_shape_are_not_broadcast(case, targets):
    likelihood, outputs, _, _ = case
    for y in (targets[:, 0], targets[:, :2]):
        with pytest.raises(ValueError, match=r"targets must be \[B, D\].*size the last layer"):
            likelihood.log_prob(tf.constant(outputs[0]), y)
    with pytest.raises(ValueError, match=r"got 6 rows of outputs and targets of shape \(1, 3\)"):
        likelihood.log_prob(tf.constant(outputs[0]), targets[:1])


def test_means_without_a_column_axis_are_not_broadcast():
    with pytest.raises(
        ValueError, match=r"takes outputs \[B, K\], got shape \(3,\); keep the batch"
    ):
        Normal().log_prob(tf.zeros(3), tf.zeros((3, 1)))


# --- The predictive distribution, in the target's own units ---------------------------------------

UNITS = pytest.mark.parametrize(
    "units",
    [
        {},
        {"loc": 10.0, "scale": 4.0},
        {"loc": np.array([1.0, -2.0, 30.0]), "scale": np.array([0.1, 5.0, 20.0])},
    ],
    ids=["none", "numbers", "columns"],
)


@UNITS
def test_predictive_is_the_mixture_of_the_samples(case, targets, units):
    likelihood, outputs, loc, scale = case
    m = loc * units.get("scale", 1) + units.get("loc", 0)
    s = scale * units.get("scale", 1)
    y = (targets * units.get("scale", 1) + units.get("loc", 0)).astype(np.float32)
    predictive = likelihood.predictive(tf.constant(outputs), **units)
    assert predictive.shape == (B, D)
    log_probs = scipy.stats.norm.logpdf(y, m, s).sum(axis=-1)
    expected = scipy.special.logsumexp(log_probs, axis=0) - np.log(S)
    np.testing.assert_allclose(predictive.log_prob(y), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(predictive.mean(), m.mean(axis=0), rtol=1e-4, atol=1e-5)
    variance = (s**2).mean(axis=0) + m.var(axis=0)  # the law of total variance
    np.testing.assert_allclose(predictive.variance(), variance, rtol=1e-3)


@UNITS
def test_change_of_variables(case, targets, units):
    """ln p(y) = ln p(z) − Σ_d ln scale_d for y = z · scale + loc: no correction is left to do."""
    likelihood, outputs, _, _ = case
    scale, loc = units.get("scale", 1.0), units.get("loc", 0.0)
    y = (targets * scale + loc).astype(np.float32)
    own = likelihood.predictive(outputs, **units).log_prob(y)
    standardised = likelihood.predictive(outputs).log_prob(targets)
    correction = np.sum(np.log(np.broadcast_to(scale, (D,))))
    np.testing.assert_allclose(own, standardised - correction, rtol=1e-3, atol=1e-3)


def test_own_density_integrates_to_one(case):
    likelihood, outputs, _, _ = case
    columns = [0] if isinstance(likelihood, Normal) else [0, D]
    y = np.linspace(-400, 600, 4001, dtype=np.float32)
    repeated = np.repeat(outputs[:, :1, columns], len(y), axis=1)
    density = np.exp(likelihood.predictive(repeated, loc=100.0, scale=25.0).log_prob(y))
    assert np.sum(density) * (y[1] - y[0]) == pytest.approx(1, abs=1e-3)


def test_components(case):
    likelihood, outputs, loc, scale = case
    m, s = likelihood.components(tf.constant(outputs), loc=3.0, scale=2.0)
    np.testing.assert_allclose(m, 2 * loc + 3, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.broadcast_to(s, (S, B, D)), 2 * scale, rtol=1e-5)


def test_predictive_of_one_sample_is_the_likelihood(case, targets):
    likelihood, outputs, _, _ = case
    predictive = likelihood.predictive(outputs[:1])
    expected = likelihood.log_prob(outputs[0], targets)
    np.testing.assert_allclose(predictive.log_prob(targets), expected, rtol=1e-4)


# --- The noise level ------------------------------------------------------------------------------


@pytest.mark.parametrize("trainable", [False, True])
def test_the_log_scale_is_a_variable_and_trained_where_asked(trainable):
    likelihood = Normal(0.5, trainable)
    likelihood.build(2)
    [variable] = likelihood.variables
    assert variable.shape == (2,)
    assert variable.dtype == "float32"
    assert likelihood.trainable_variables == ([variable] if trainable else [])
    np.testing.assert_allclose(likelihood.scale, [0.5, 0.5], rtol=1e-6)


def test_build_is_done_once():
    likelihood = Normal(trainable=True)
    likelihood.build(3)
    [variable] = likelihood.variables
    likelihood.build(3)
    assert likelihood.variables[0] is variable


def test_a_learned_scale_is_built_for_the_first_targets():
    """Not with one scale for all columns."""
    likelihood = Normal(0.5, trainable=True)
    likelihood.log_prob(tf.zeros((4, 3)), np.zeros((4, 3)))
    assert likelihood.scale.shape == (3,)
    with pytest.raises(
        ValueError,
        match=r"built for 3 target columns, got 2: it has one scale a column; make a new",
    ):
        likelihood.build(2)
    with pytest.raises(ValueError, match=r"built for 3 target columns, got 1: .* build\(num_targ"):
        likelihood.log_prob(tf.zeros((4, 1)), np.zeros(4))


def test_a_learned_scale_of_unknown_width_is_refused():
    likelihood = Normal(trainable=True)
    for use in (
        lambda: likelihood.variables,
        lambda: likelihood.trainable_variables,
        lambda: likelihood.scale,
        lambda: likelihood.predictive(tf.zeros((1, 2, 3))),
    ):
        with pytest.raises(ValueError, match=r"no variables yet: it learns one scale per .*build"):
            use()


def test_a_fixed_scale_needs_no_build():
    likelihood = Normal(0.5)
    assert likelihood.variables == []
    np.testing.assert_allclose(likelihood.scale, [0.5], rtol=1e-6)
    likelihood.build(1)
    expected = scipy.stats.norm.logpdf(1.0, 0.0, 0.5) * 3
    np.testing.assert_allclose(
        likelihood.log_prob(tf.zeros((2, 3)), np.ones((2, 3))), [expected] * 2, rtol=1e-6
    )


def test_targets_near_a_million():
    """In float32 their log-density is 0.9 nats off."""
    units = {"loc": 1e6, "scale": 0.01}
    predictive = Normal(0.7).predictive(np.full((2, 1, 1), 0.3), **units)
    expected = scipy.stats.norm.logpdf(1e6 + 0.011, 1e6 + 0.003, 0.007)
    np.testing.assert_allclose(predictive.log_prob([1e6 + 0.011]), [expected], rtol=1e-6)
    loc, scale = Normal(0.7).components(np.full((2, 1, 1), 0.3), **units)
    np.testing.assert_allclose(loc, np.full((2, 1, 1), 1e6 + 0.003), rtol=1e-14)
    np.testing.assert_allclose(scale, np.full((2, 1, 1), 0.007), rtol=1e-14)


def test_targets_that_are_not_finite():
    y = np.array([0.0, np.nan, np.inf])
    with pytest.raises(
        ValueError,
        match=r"Normal: targets must be finite, got nan in row 1 \(2 such rows\); repair",
    ):
        Normal().log_prob(tf.zeros((3, 1)), y)
    log_prob = tf.function(Normal().log_prob, autograph=False)
    np.testing.assert_array_equal(
        np.isnan(log_prob(tf.zeros((3, 1)), tf.constant(y))), [False, True, True]
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, [1.0, 0.0, 2.0]])
def test_unusable_units(scale):
    with pytest.raises(ValueError, match=r"scale must be positive and finite, got .*; it is what"):
        Normal().predictive(np.zeros((1, 2, 3)), scale=scale)


def test_samples_without_their_axis():
    with pytest.raises(ValueError, match=r"samples must be outputs \[S, B, K\].*samples\[None\]"):
        Normal().predictive(np.zeros((2, 3)))


def test_gradient_of_a_learned_scale(rng):
    """d ln p / d ln s = z² − 1, z the residual in units of s."""
    likelihood = Normal(0.5, trainable=True)
    likelihood.build(D)
    outputs, targets = rng.normal(size=(2, B, D)).astype(np.float32)
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(likelihood.log_prob(outputs, targets))
    gradient = tape.gradient(log_prob, likelihood.variables[0].value)
    expected = np.sum(((targets - outputs) / 0.5) ** 2 - 1, axis=0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)


def test_first_use_inside_of_a_function(mode):
    likelihood = Normal(2.0, trainable=True)
    log_prob = mode(likelihood.log_prob)(tf.zeros((2, 1)), tf.ones(2))
    np.testing.assert_allclose(log_prob, scipy.stats.norm.logpdf([1, 1], 0, 2), rtol=1e-5)
    np.testing.assert_allclose(likelihood.scale, [2.0])


def test_heteroscedastic_scale_stays_above_its_minimum():
    likelihood = HeteroscedasticNormal(0.1)
    _, scale = likelihood.parameters(tf.constant([[0.0, -100.0], [0.0, 0.0], [0.0, 50.0]]))
    np.testing.assert_allclose(scale[:, 0], [0.1, np.log(2) + 0.1, 50.1], rtol=1e-6)


def test_declarations():
    assert Normal().task == HeteroscedasticNormal().task == "regression"
    assert Normal().num_outputs(3) == 3
    assert HeteroscedasticNormal().num_outputs(3) == 6
    assert HeteroscedasticNormal().variables == []


def test_heteroscedastic_needs_two_outputs_per_target():
    with pytest.raises(
        ValueError, match=r"needs 2 outputs per target.*got 3 outputs; .*num_outputs\(num_targets\)"
    ):
        HeteroscedasticNormal().log_prob(tf.zeros((2, 3)), tf.zeros(2))


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_unusable_scale(value):
    with pytest.raises(ValueError, match=f"scale must be a positive finite number, got {value}"):
        Normal(value)
    with pytest.raises(
        ValueError, match=f"min_scale must be a positive finite number, got {value}"
    ):
        HeteroscedasticNormal(value)


def test_unknown_units():
    with pytest.raises(TypeError, match="unit"):
        Normal().predictive(tf.zeros((1, 2, 1)), unit="kg")
