"""Several labels, ordered classes, survival, positions and heads against closed forms."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from bnn import figures, metrics
from bnn.evaluation import evaluate, evaluation_of, headline, judged
from bnn.evaluation.survival import concordance
from bnn.likelihoods import (
    Bernoulli,
    Categorical,
    Heads,
    Normal,
    Ordinal,
    Poisson,
    Positions,
    Weibull,
)
from tests.evaluation.data import with_targets

S, B = 4, 30


def test_several_labels(rng):
    logits, y = rng.normal(size=(S, B, 2)), rng.integers(0, 2, (B, 2))
    data = with_targets(y, target_kinds="multi_label", target_names=("red", "large"))
    got = evaluate(Bernoulli(), tf.constant(logits), data.y_test, data)
    p = scipy.special.expit(logits)
    joint = scipy.stats.bernoulli(p).logpmf(y).sum(axis=-1)
    nll = -np.mean(scipy.special.logsumexp(joint, axis=0) - np.log(S))
    mean = p.mean(axis=0)
    right = (mean > 0.5) == y
    expected = {"nll": nll, "log_likelihood": -nll, "exact_match": np.mean(right.all(axis=1))}
    for d, label in enumerate(("red", "large")):
        log_probs = np.log(np.stack([1 - mean[:, d], mean[:, d]], axis=-1))[np.newaxis]
        expected |= {
            f"accuracy/{label}": np.mean(right[:, d]),
            f"error/{label}": 1 - np.mean(right[:, d]),
            f"brier/{label}": metrics.brier(log_probs, y[:, d]),
            f"ece/{label}": metrics.ece(log_probs, y[:, d]),
        }
        assert expected[f"brier/{label}"] == pytest.approx(2 * np.mean((mean[:, d] - y[:, d]) ** 2))
    assert got == pytest.approx(expected, rel=1e-9)
    # The labels share the weights: the joint is not the product of the two.
    apart = -np.mean(scipy.stats.bernoulli(mean).logpmf(y).sum(axis=-1))
    assert got["nll"] != pytest.approx(apart, rel=1e-4)
    shown = headline(Bernoulli(), tf.constant(logits), data.y_test, data)
    assert shown == pytest.approx({"nll": nll, "accuracy": np.mean(right)}, rel=1e-9)
    scores = judged(Bernoulli(), tf.constant(logits), data.y_test, data).examples
    entropy = scipy.stats.bernoulli(mean[:, 1]).entropy()
    np.testing.assert_allclose(scores["score/entropy/large"], entropy, rtol=1e-6)


def test_one_binary_target_has_plain_names(rng):
    logits, y = rng.normal(size=(S, B, 1)), rng.integers(0, 2, (B, 1))
    data = with_targets(y, target_kinds="multi_label")
    got = evaluate(Bernoulli(), tf.constant(logits), data.y_test, data)
    assert {"accuracy", "brier", "ece", "error"} <= set(got)


def test_certain_probabilities_have_scores(rng):
    """A probability of exactly 1, as float64 rounds it, has a finite Brier score and ECE."""
    y = np.ones((B, 1), np.int64)
    data = with_targets(y, target_kinds="multi_label")
    got = evaluate(Bernoulli(), tf.fill([S, B, 1], tf.constant(200.0, tf.float64)), y, data)
    assert (got["brier"], got["ece"], got["nll"]) == (0.0, 0.0, pytest.approx(0.0, abs=1e-80))


def test_ordered_classes_have_their_ranked_score(rng):
    likelihood = Ordinal()
    likelihood.build(4)
    scores, y = rng.normal(size=(S, B, 1)), rng.integers(0, 4, B)
    data = with_targets(y, num_classes=4)
    got = evaluate(likelihood, tf.constant(scores), data.y_test, data)
    edges = scipy.special.logit(np.arange(1, 4) / 4)
    below = scipy.stats.logistic.cdf(edges - scores).mean(axis=0)  # the last class's is 1
    expected = np.mean(((below - (np.arange(3) >= y[:, None])) ** 2).sum(axis=-1))
    assert got["ranked_probability_score"] == pytest.approx(expected, rel=1e-5)


def times(rng, number, events):
    return np.stack([rng.exponential(2.0, number) + 0.05, events], axis=-1)


def test_survival(rng):
    likelihood, unit = Weibull(1.5), 3.0
    likelihood.build(1)
    outputs = rng.normal(size=(S, B, 1))
    y = times(rng, B, np.arange(B) % 3 > 0).astype(np.float32)
    data = with_targets(y, target_loc=np.zeros(2), target_scale=np.array([unit, 1.0]))
    got = evaluate(likelihood, tf.constant(outputs), data.y_test, data)
    components = scipy.stats.weibull_min(1.5, scale=unit * np.exp(outputs[..., 0]))
    t, seen = y[:, 0].astype(np.float64) * unit, y[:, 1] == 1
    each = np.where(seen, components.logpdf(t), components.logsf(t))
    nll = -np.mean(scipy.special.logsumexp(each, axis=0) - np.log(S))
    assert got["nll"] == pytest.approx(nll, rel=1e-6)
    assert got["log_likelihood"] == -got["nll"]
    assert got["events"] == pytest.approx(np.mean(seen), rel=1e-6)
    grid = np.linspace(0, components.ppf(1 - 1e-7).max(), 200_001)
    scores = []
    for b in range(B):
        cdf = np.mean([scipy.stats.weibull_min(1.5, scale=s).cdf(grid)
                       for s in unit * np.exp(outputs[:, b, 0])], axis=0)  # fmt: skip
        later = grid >= t[b]
        scores.append(np.trapezoid(np.where(later, seen[b] * (1 - cdf) ** 2, cdf**2), grid))
    assert got["crps"] == pytest.approx(np.mean(scores), rel=3e-3)
    shown = headline(likelihood, tf.constant(outputs), data.y_test, data)
    assert shown == {name: got[name] for name in ("nll", "concordance")}


def test_concordance_is_the_share_of_pairs_in_order(rng):
    predicted, t = rng.integers(0, 6, 40), rng.integers(1, 9, 40)
    events = rng.integers(0, 2, 40)
    right = number = 0.0
    for i in range(40):
        for j in range(40):
            if events[i] and (t[i] < t[j] or (t[i] == t[j] and not events[j])):
                number += 1
                right += (predicted[i] < predicted[j]) + 0.5 * (predicted[i] == predicted[j])
    assert concordance(predicted, t, events) == pytest.approx(right / number)
    assert concordance(t, t, np.ones(40)) == 1.0
    assert concordance(-t, t, np.ones(40)) == 0.0
    assert np.isnan(concordance(predicted, t, np.zeros(40)))


@pytest.mark.parametrize(("shape", "calibrated"), [(1.5, True), (0.7, False)])
def test_the_transform_of_censored_times_is_uniform_where_the_model_is_right(shape, calibrated):
    """0.31/√N is what a calibrated model has, and 4 times as much what none has by chance."""
    rng = np.random.default_rng(5)
    number, log_scale = 4000, np.random.default_rng(6).normal(size=(4000, 1))
    true = np.exp(log_scale[:, 0]) * rng.weibull(1.5, number)
    censored = rng.exponential(2.0, number)
    y = np.stack([np.minimum(true, censored), true <= censored], axis=-1).astype(np.float32)
    data = with_targets(y, target_loc=np.zeros(2), target_scale=np.ones(2))
    likelihood = Weibull(shape)
    likelihood.build(1)
    got = evaluate(likelihood, tf.constant(log_scale[np.newaxis]), data.y_test, data)
    assert 0.2 < got["events"] < 0.8
    assert (got["quantile_calibration_error"] < 4 * 0.31 / np.sqrt(number)) == calibrated


def test_positions_are_the_inner_task_over_those_that_count(rng):
    logits, y = rng.normal(size=(S, 6, 5, 3)), rng.integers(0, 3, (6, 5))
    y[3] = 2  # an example of which nothing counts
    data = with_targets(y, num_classes=3, target_kinds="label_map")
    likelihood = Positions(Categorical(), ignore=2)
    got = evaluate(likelihood, tf.constant(logits), data.y_test, data)
    keep = y != 2
    inner = evaluate(Categorical(), tf.constant(logits[:, keep]), y[keep], None)
    log_probs = scipy.special.log_softmax(logits, axis=-1)
    each = np.take_along_axis(log_probs, y[np.newaxis, ..., np.newaxis], axis=-1)[..., 0] * keep
    joint = scipy.special.logsumexp(each.sum(axis=-1), axis=0) - np.log(S)
    assert got == pytest.approx({**inner, "joint_nll": -np.mean(joint)}, rel=1e-6)
    examples = judged(likelihood, tf.constant(logits), data.y_test, data).examples
    np.testing.assert_allclose(examples["loss/nll"], -joint, rtol=1e-6, atol=1e-12)
    wrong = log_probs_of(log_probs).argmax(axis=-1) != y
    shares = (wrong & keep).sum(axis=1) / np.maximum(keep.sum(axis=1), 1)
    np.testing.assert_allclose(examples["loss/error"], shares, rtol=1e-12)
    assert examples["score/entropy"].shape == (6,)


def log_probs_of(log_probs):
    return scipy.special.logsumexp(log_probs, axis=0)


def test_positions_without_targets_have_scores(rng):
    likelihood = Positions(Categorical(), ignore=0)
    examples = judged(likelihood, tf.constant(rng.normal(size=(S, 6, 5, 3))), None, None).examples
    assert examples["score/entropy"].shape == (6,)
    assert not any(name.startswith("loss/") for name in examples)


def test_heads_have_their_own_tables_and_one_joint_likelihood(rng):
    heads = Heads({"price": Normal(0.3), "kind": Categorical(), "visits": Poisson()}, {"kind": 2.0})
    heads.build({"price": 2, "kind": 3, "visits": 1})
    outputs = {"price": (S, B, 2), "kind": (S, B, 3), "visits": (S, B, 1)}
    outputs = {name: tf.constant(rng.normal(size=shape)) for name, shape in outputs.items()}
    y = {
        "price": rng.normal(size=(B, 2)),
        "kind": rng.integers(0, 3, B),
        "visits": rng.poisson(2.0, (B, 1)).astype(np.float32),
    }
    loc, scale = np.array([10.0, -2.0]), np.array([5.0, 0.1])
    data = with_targets(
        y,
        num_classes={"kind": 3},
        target_loc={"price": loc},
        target_scale={"price": scale},
        target_kinds={"visits": "counts"},
    )
    got = evaluate(heads, outputs, data.y_test, data)
    alone = {
        "price": with_targets(y["price"], target_loc=loc, target_scale=scale),
        "kind": with_targets(y["kind"], num_classes=3),
        "visits": with_targets(y["visits"], target_kinds="counts"),
    }
    expected = {}
    for name, one in alone.items():
        table = evaluate(heads.likelihoods[name], outputs[name], one.y_test, one)
        expected |= {f"{name}/{metric}": value for metric, value in table.items()}
    each = scipy.stats.norm(outputs["price"].numpy(), 0.3).logpdf(data.y_test["price"])
    joint = (each - np.log(scale)).sum(axis=-1)
    joint += scipy.special.log_softmax(outputs["kind"].numpy(), axis=-1)[:, np.arange(B), y["kind"]]
    joint += scipy.stats.poisson(np.exp(outputs["visits"].numpy()[..., 0])).logpmf(
        y["visits"][:, 0]
    )
    expected["nll"] = -np.mean(scipy.special.logsumexp(joint, axis=0) - np.log(S))
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-7)
    shown = headline(heads, outputs, data.y_test, data)
    assert shown == pytest.approx({name: got[name] for name in shown})
    assert {"nll", "price/rmse/target_0", "kind/accuracy", "visits/rmse"} <= set(shown)
    examples = judged(heads, outputs, data.y_test, data).examples
    assert examples["targets"].shape == (B, 4)
    assert {"loss/kind/error", "score/price/predictive_std/target_1"} <= set(examples)


def test_heads_draw_in_folders_of_their_own(rng, tmp_path):
    heads = Heads({"price": Normal(0.3), "kind": Categorical()})
    heads.build({"price": 1, "kind": 3})
    outputs = {
        "price": tf.constant(rng.normal(size=(S, B, 1))),
        "kind": tf.constant(rng.normal(size=(S, B, 3))),
    }
    y = {"price": rng.normal(size=(B, 1)), "kind": rng.integers(0, 3, B)}
    one = np.ones(1)
    data = with_targets(
        y, num_classes={"kind": 3}, target_loc={"price": one}, target_scale={"price": one}
    )
    examples = judged(heads, outputs, data.y_test, data).examples
    paths = evaluation_of(heads).figures(examples, data, tmp_path)
    assert set(paths) == {"price/predictive_band", "kind/reliability"}
    assert all(path.stat().st_size for path in paths.values())


@pytest.mark.parametrize(
    ("described", "labels"),
    [
        ({}, ["target_0", "target_1"]),
        ({"target_names": ("load", "heat")}, ["load", "heat"]),
        (
            {"target_names": ("load", "heat"), "target_units": {"load": "kWh"}},
            ["load (kWh)", "heat"],
        ),
    ],
)
def test_a_regressions_figure_names_targets_and_units(described, labels, rng, tmp_path):
    """Every target has a row of panels: the second one's was missing."""
    y = rng.normal(size=(B, 2))
    given, drawn = _drawn_of(y, rng, tmp_path, **described)
    assert given["label"] == labels
    assert given["not_drawn"] == []
    targets, mean, lower, upper = drawn
    np.testing.assert_allclose(targets, y, rtol=1e-6)
    assert mean.shape == lower.shape == upper.shape == (B, 2)
    assert (lower < mean).all()
    assert (mean < upper).all()


def test_a_regressions_figure_names_what_it_does_not_draw(rng, tmp_path):
    given, drawn = _drawn_of(rng.normal(size=(B, 8)), rng, tmp_path)
    assert given["label"] == [f"target_{d}" for d in range(6)]
    assert given["not_drawn"] == ["target_6", "target_7"]
    assert {array.shape for array in drawn} == {(B, 6)}


def test_one_target_without_a_name_is_the_target(rng, tmp_path):
    given, _ = _drawn_of(rng.normal(size=(B, 1)), rng, tmp_path)
    assert given["label"] == ["Target"]


def _drawn_of(y, rng, folder, **described):
    """What is drawn of a regression: named arguments, and the arrays."""
    width = y.shape[1]
    data = with_targets(y, target_loc=np.zeros(width), target_scale=np.ones(width), **described)
    likelihood, given, drawn = Normal(0.3), {}, []
    likelihood.build(width)
    outputs = tf.constant(rng.normal(size=(S, B, width)))
    examples = judged(likelihood, outputs, data.y_test, data).examples
    with pytest.MonkeyPatch.context() as patch:

        def note(*arrays, **named):
            drawn.extend(arrays)
            given.update(named)

        patch.setattr(figures, "predictive_intervals", note)
        evaluation_of(likelihood).figures(examples, data, folder)
    return given, drawn


def test_the_figure_of_a_head_names_it_with_its_unit(monkeypatch, tmp_path):
    labels = []
    monkeypatch.setattr(
        figures, "predictive_intervals", lambda *_, label, **__: labels.append(label)
    )
    heads = Heads({"load": Normal(), "visits": Poisson()})
    column = np.ones((4, 1))
    of_one = {"targets": column, "mean": column, "loss/squared_error": column[:, 0]}
    of_one["band"] = np.ones((4, 1, 2))
    examples = {f"head/{h}/{n}": v for h in ("load", "visits") for n, v in of_one.items()}
    data = SimpleNamespace(target_names=None, target_units={"load": "kWh"}, input_shape=(3,))
    evaluation_of(heads).figures(examples, data, tmp_path)
    assert labels == [["load (kWh)"], ["visits"]]
