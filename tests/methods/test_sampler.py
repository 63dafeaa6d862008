"""What all samplers share: what they refuse, the descent before them, what runs make of them."""

from pathlib import Path

import keras
import numpy as np
import pytest
import samplers as s

import bnn
from bnn import experiment
from bnn.methods import SGHMC, SGLD
from bnn.methods.samples import Samples, sample_steps
from bnn.runs.configuration import parse
from bnn.schedules import Constant, CosineCycles


def refused(message, method=None, **options):
    with pytest.raises(ValueError, match=message):
        s.built(method or SGLD(), **options)


def sequence(*layers):
    return keras.Sequential([keras.Input((3,)), *layers])


def test_models_that_it_cannot_sample_are_refused_with_the_remedy():
    point = {"kernel_posterior": bnn.posteriors.Point(), "bias_posterior": bnn.posteriors.Point()}
    refused("SGLD needs a prior for the weights", model=sequence(keras.layers.Dense(2)))
    family = (
        "needs Point posteriors, but site 0_dense/kernel has MeanFieldNormal; build the model in"
    )
    refused(f"{family} `with bnn.posteriors.points", model=sequence(bnn.layers.Dense(2)))
    mixed = sequence(bnn.layers.Dense(4, **point), keras.layers.Dense(2, name="plain"))
    refused("plain/kernel, .* have none; use the layer's namesake", model=mixed)
    dropout = sequence(bnn.layers.Dense(4, **point), keras.layers.Dropout(0.5))
    refused("depends on random masks; use no dropout", model=dropout)
    layers = bnn.layers.Dense(4, **point), keras.layers.BatchNormalization(trainable=False)
    refused("depends on the batch; use LayerNormalization", model=sequence(*layers))
    bounded = bnn.layers.Dense(2, kernel_constraint="non_neg", **point)
    refused("have a Keras constraint; leave it off", model=sequence(bounded))


def test_what_has_no_prior_is_learned_in_the_descent_or_refused():
    def learned():
        likelihood = bnn.likelihoods.Normal(trainable=True)
        likelihood.build(2)
        return likelihood

    refused("which have none, at what the descent before it finds; give it an optimizer",
            likelihood=learned())  # fmt: skip
    likelihood = learned()
    method = s.built(SGHMC(warm_start=0.5), optimizer="adam", likelihood=likelihood)
    assert len(method.trained) == 5
    assert len(method.weights) == 4


def test_the_optimizer_takes_the_first_steps_and_the_chain_the_others():
    method = s.built(SGHMC(warm_start=0.3, burn_in=0.4), optimizer="sgd")
    before = s.values(method)
    slopes = s.slopes(method, s.batches().at(0))
    (said,) = s.run(method, 0, 1)
    for old, new, slope in zip(before, s.values(method), slopes, strict=True):
        np.testing.assert_allclose(new, old - 0.01 * slope, rtol=1e-5, atol=1e-7)
    assert float(said.metrics["kinetic_temperature"]) == 0
    (_, _, said) = s.run(method, 1, 4)
    assert float(said.metrics["kinetic_temperature"]) > 0
    assert int(method.problem.optimizer.iterations) == 3
    assert method.describe()["warm_start_steps"] == 3


def test_the_chain_does_not_depend_on_the_replica():
    method = s.built(SGLD())
    noise = s.noise_of(3)
    same = method.normal(noise.at(replica=1, example_offset=8), 0)
    np.testing.assert_array_equal(method.normal(noise, 0), same)


def test_a_descent_is_refused_on_replicas_and_a_chain_alone_is_not(monkeypatch):
    monkeypatch.setattr(SGLD, "_replicas", 2)
    refused("warm_start of method SGLD must be 0 on 2 replicas", optimizer="sgd")
    assert s.built(SGLD(warm_start=0.0), optimizer="sgd").warm_steps == 0


def test_steps_of_samples():
    assert sample_steps(Constant(1.0), 20, 10, 4) == [14, 18]
    assert len(sample_steps(Constant(1.0), 6736, 3368, None)) == 102
    cycles = CosineCycles(1.0, cycles=2, exploration=0.5)
    assert sample_steps(cycles, 20, 10, 2) == [17, 19]
    with pytest.raises(ValueError, match=r"thinning must leave a sample, got 11 with 10 steps"):
        sample_steps(Constant(1.0), 20, 10, 11)


def test_the_archive_notes_its_steps_and_no_other():
    variable = keras.Variable(1.0)
    archive = Samples([variable], [4, 6, 20])
    visited, step = [], 0
    while len(visited) < 4:
        step = archive.next_after(step)
        visited.append(step)
    assert visited[:3] == [4, 6, 20]
    assert visited[3] > 20
    for step in range(25):
        archive.note(step)
    assert len(archive.entries) == 3


def test_layers_made_in_points_have_point_posteriors_whatever_they_are_given():
    with bnn.posteriors.points():
        layers = [
            bnn.layers.Dense(2),
            bnn.layers.Conv1D(2, 1, kernel_posterior=bnn.posteriors.LowRankNormal()),
            bnn.layers.WeightSpace(keras.layers.Dense(2)),
            bnn.layers.LSTM(2),
        ]
    inputs = np.ones((2, 3, 2), np.float32)
    for layer in layers:
        layer(inputs)
        kinds = {type(site.posterior).__name__ for site in bnn.sites(layer).values()}
        assert kinds == {"Point"}, layer
        config = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert "MeanField" not in str(config.get_config())
    assert isinstance(bnn.layers.Dense(2).kernel_posterior, bnn.posteriors.MeanFieldNormal)


GIN = str(Path(__file__).parents[2] / "gin_configs" / "digits.gin")
SMALL = ["run.tracker = None", "mlp.hidden = (6,)", "run.epochs = 0.5", "run.batch_size = 64"]


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
@pytest.mark.parametrize("name", ["SGLD", pytest.param("SGHMC", marks=pytest.mark.slow)])
def test_one_binding_chooses_it_and_the_folder_predicts(name, tmp_path):
    """The same file as variational inference, its optimizer, posteriors and schedules included."""
    parse([GIN], [*SMALL, f"run.method = @{name}()"])
    done = experiment.run(tmp_path / "run")
    assert done.results["method"] == name
    assert done.results["passes_over_the_data"] == pytest.approx(0.5, abs=0.1)
    assert done.results["stored_samples"] > 3
    inputs = done.data.x_test[:5]
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_allclose(restored.predict(inputs, 3), done.predict(inputs, 3), atol=1e-6)
