"""What objects say of themselves in a console and in a notebook."""

import keras
import numpy as np
import tensorflow as tf

import bnn
from bnn import estimators, posteriors, priors
from bnn.diagnostics.audit import Audit, Finding
from bnn.diagnostics.report import Verdict


def test_a_draw_names_its_coordinates_and_estimator():
    assert repr(bnn.Draw(seed=0, estimator=estimators.Flipout())) == (
        "Draw(seed=0, estimator=Flipout())"
    )
    draw = bnn.Draw(tf.constant(7), estimators.Reparameterization(), step=3, antithetic=True)
    assert repr(draw) == ("Draw(seed=7, step=3, antithetic=True, estimator=Reparameterization())")
    assert repr(bnn.Noise(1, purpose=2, sample=4)) == "Noise(seed=1, sample=4, purpose=2)"
    score = estimators.ScoreFunction(estimators.RunningMean())
    assert repr(score) == "ScoreFunction(baseline=RunningMean())"


def test_in_a_graph_a_draw_names_its_tensors():
    seen = []

    @tf.function
    def traced(step):
        seen.append(repr(bnn.Draw(0, estimators.Flipout(), step=step)))
        return step

    traced(tf.constant(1))
    assert seen == ["Draw(seed=0, step=<step:0>, estimator=Flipout())"]


def test_posteriors_and_priors():
    assert repr(posteriors.MeanFieldNormal()) == "MeanFieldNormal()"
    assert repr(posteriors.MeanFieldNormal(0.5)) == "MeanFieldNormal(initial_scale=0.5)"
    assert repr(priors.Normal(scale=0.3)) == "Normal(scale=0.3)"
    layer = bnn.layers.Dense(2, kernel_posterior=posteriors.MeanFieldNormal(0.05), name="d")
    assert repr(layer) == (
        "<Dense name=d, kernel=MeanFieldNormal(initial_scale=0.05) ‖ Normal(), "
        "bias=MeanFieldNormal() ‖ Normal()>"
    )
    layer.build((None, 3))
    assert repr(layer) == (
        "<Dense name=d, kernel=MeanFieldNormal([3, 2], mean scale 0.0500) ‖ Normal(), "
        "bias=MeanFieldNormal([2], mean scale 0.0200) ‖ Normal()>"
    )
    scales = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.6]]).T
    layer.kernel.posterior.initialise(np.zeros((3, 2)), scales)
    assert repr(layer.kernel.posterior) == "MeanFieldNormal([3, 2], mean scale 0.250)"


def test_a_point_has_no_scale_and_a_graph_no_numbers():
    layer = bnn.layers.Dense(2, use_bias=False, kernel_posterior=posteriors.Point())
    layer.build((None, 3))
    assert repr(layer.kernel.posterior) == "Point([3, 2])"
    other = bnn.layers.Dense(2, use_bias=False)
    other.build((None, 3))
    seen = []
    tf.function(lambda: seen.append(repr(other.kernel.posterior)))()
    assert seen == ["MeanFieldNormal([3, 2])"]


def test_the_ledger_is_a_dict_that_says_its_sum():
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2, name="a<b")])
    held = bnn.ledger(model)
    assert isinstance(held, dict)
    total = sum(float(kl) for kl in held.values())
    first, *lines = repr(held).splitlines()
    assert first.startswith("Ledger, ")
    assert float(first.split()[1]) == np.float64(f"{total:.3e}")
    assert [line.split(":")[0].strip() for line in lines] == list(held)
    html = held._repr_html_()
    assert html.startswith("<table>")
    assert "a<b" not in html
    assert "nats in all" in html
    inside = tf.function(lambda: bnn.ledger(model))()
    assert set(inside) == set(held)
    seen = []
    tf.function(lambda: seen.append((repr(bnn.ledger(model)), bnn.ledger(model)._repr_html_())))()
    assert seen[0][0].startswith("{")
    assert seen[0][1] is None


def test_an_audit_is_a_table():
    audit = Audit((Finding("kl", Verdict.FAIL, "counts 1/B < 1/N"),))
    html = audit._repr_html_()
    assert "1 failed" in html
    assert "counts 1/B &lt; 1/N" in html


def test_a_predictive_is_a_table():
    x = np.linspace(-1, 1, 14, dtype="float32").reshape(7, 2)
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(5)])
    said = bnn.predictive(model, bnn.likelihoods.Categorical(), x, 4, jit_compile=False)
    html = said._repr_html_()
    assert html.count("<tr>") == 6
    most = int(np.argmax(said.mean[0]))
    assert f"<td>{most}: {said.mean[0, most]:.4g} ± " in html
    assert "epistemic entropy, nats" in html
    model = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(2)])
    said = bnn.predictive(model, bnn.likelihoods.Normal(0.5), x, 4, jit_compile=False)
    html = said._repr_html_()
    lower, upper = (end[0, 0] for end in said.interval(0.9))
    assert f"<td>{said.mean[0, 0]:.1f} [{lower:.1f}, {upper:.1f}]</td>" in html
    assert "epistemic standard deviation" in html
    assert "variance" not in html


def test_a_mixture_says_of_what_and_how_many():
    heads = bnn.likelihoods.Heads(
        {"load": bnn.likelihoods.Normal(), "kind": bnn.likelihoods.Categorical()}
    )
    said = heads.predictive({"load": tf.zeros((4, 5, 1)), "kind": tf.zeros((4, 5, 3))})
    assert repr(said["load"]) == "Mixture(Normal, [S, B, D] = (4, 5, 1))"
    assert repr(said["kind"]) == "ClassMixture(Categorical, [S, B, C] = (4, 5, 3))"
