"""Chains that begin at the members of an ensemble: MILE's warm start."""

import sys
from pathlib import Path

import gin
import numpy as np
import pytest
import samplers as s

import bnn
from bnn import experiment
from bnn.methods import HMC, MCLMC, NUTS, DeepEnsemble
from bnn.runs.configuration import parse

GIN = Path(__file__).parents[2] / "gin_configs" / "digits.gin"
SHORT = {"step_size": 1e-3, "burn_in": 0.4, "thinning": 1}
KINDS = {
    "HMC": lambda **options: HMC(1, **SHORT, **options),
    "NUTS": lambda **options: NUTS(1, **SHORT, **options),
    "MCLMC": lambda **options: MCLMC(1, **SHORT, **options),
}


def by_chain(method):
    """The chains' weights, `[C, …]` each."""
    return method._by_weight(method._chains.numpy())


@pytest.mark.parametrize("name", KINDS)
def test_chains_begin_at_the_members(name):
    members = [s.point_model() for _ in range(3)]
    method = KINDS[name](members=members, num_chains=2)
    s.built(method, make_model=None, optimizer="sgd")
    for place, found in enumerate(by_chain(method)):
        for chain in range(2):
            expected = members[chain].trainable_variables[place].numpy()
            np.testing.assert_array_equal(found[chain], expected)
    for weight, value in zip(method.weights, members[0].trainable_variables, strict=True):
        np.testing.assert_array_equal(weight, value)
    (said,) = s.run(method, 0, 1, batch_size=s.NUM_TRAIN)  # no descent, whatever the optimizer
    assert float(said.metrics["step_size"]) > 0
    assert method.describe()["warm_start_steps"] == 0
    assert method.describe()["chains_begin"] == "at an ensemble's members"


def test_members_of_a_trained_ensemble_are_taken_as_they_are():
    ensemble = s.built(DeepEnsemble(num_members=2), optimizer="sgd")
    s.run(ensemble, 0, 10)
    members = [member.kept for member in ensemble.members()]
    method = s.built(KINDS["MCLMC"](members=members, num_chains=2))
    for place, found in enumerate(by_chain(method)):
        for chain in range(2):
            np.testing.assert_array_equal(found[chain], members[chain][place])


def test_a_chain_from_members_goes_on_to_the_same_bits():
    one = s.built(KINDS["MCLMC"](members=[s.point_model() for _ in range(2)], num_chains=2))
    s.run(one, 0, 5, batch_size=s.NUM_TRAIN)
    other = s.built(KINDS["MCLMC"](members=[s.point_model() for _ in range(2)], num_chains=2))
    for of in (lambda m: m.variables, lambda m: m.problem.model.variables):
        for variable, value in zip(of(other), of(one), strict=True):
            variable.assign(value)
    other.archive.entries[:] = one.archive.entries
    for method in (one, other):
        s.run(method, 5, 7, batch_size=s.NUM_TRAIN)
    for value, again in zip(one.samples(), other.samples(), strict=True):
        np.testing.assert_array_equal(value, again)


def ensemble_run(folder, method="MAP"):
    run(folder, "DeepEnsemble", f"DeepEnsemble.method = @{method}()", "run.batch_size = 500",
        "DeepEnsemble.num_members = 2")  # fmt: skip
    return folder


def run(folder, name, *more):
    gin.clear_config()
    small = ["run.tracker = None", "mlp.hidden = (4,)", "run.epochs = 4"]
    parse([str(GIN)], [*small, f"run.method = @{name}()", *more])
    return experiment.run(folder)


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_a_run_begins_at_the_members_of_a_run_and_is_restored_without_it(tmp_path):
    ensemble = ensemble_run(tmp_path / "ensemble")
    options = ["NUTS.num_chains = 2", "NUTS.max_tree_depth = 1", f"NUTS.members = '{ensemble}'"]
    options += ["NUTS.step_size = 1e-8", "NUTS.burn_in = 0.0", "NUTS.thinning = 1"]
    done = run(tmp_path / "run", "NUTS", *options)
    members = bnn.restore(ensemble).method.members()
    first = done.method.archive.entries[0][0]  # after a transition of next to no length
    for chain, member in enumerate(members):
        flat = np.concatenate([np.ravel(v) for v in member.kept[:4]])
        np.testing.assert_allclose(first[chain], flat, atol=1e-5)
    predicted = done.predict(done.data.x_test[:5], 4)
    ensemble.rename(tmp_path / "elsewhere")
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_array_equal(restored.predict(done.data.x_test[:5], 4), predicted)
    with pytest.raises(FileNotFoundError, match="members of method NUTS must be the folder"):
        run(tmp_path / "another", "NUTS", *options)
    assert not (tmp_path / "another" / "config.gin").exists()


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_what_members_must_be_is_said(tmp_path):
    with pytest.raises(ValueError, match="num_chains of method NUTS must be at most the 1 members"):
        s.built(NUTS(members=[s.point_model()], num_chains=2))
    wide = s.point_model(kernel_initializer="zeros").layers[0]
    with pytest.raises(ValueError, match=r"own kind, but member 0 has shape \(4,\) where"):
        s.built(HMC(1, members=[list(reversed(wide.variables))]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"run that has ended, but .* has no results\.json"):
        s.built(HMC(1, members=tmp_path / "empty"))
    (tmp_path / "empty" / "results.json").write_text('{"method": "MAP"}')
    with pytest.raises(ValueError, match=r"DeepEnsemble with the method MAP, got MAP in"):
        s.built(HMC(1, members=str(tmp_path / "empty")))


def test_samples_go_to_arviz_whose_r_hat_and_sizes_are_those_of_the_results(monkeypatch):
    method = s.built(HMC(1, num_chains=2, step_size=0.05, warm_start=0, burn_in=0, thinning=1))
    with pytest.raises(RuntimeError, match="HMC has no samples yet"):
        method.to_arviz()
    s.run(method, 0, 6, batch_size=s.NUM_TRAIN)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "arviz_base", None)
        with pytest.raises(ImportError, match="install it with pip install arviz"):
            method.to_arviz()
    pytest.importorskip("arviz_base")
    stats = pytest.importorskip("arviz_stats")
    tree = method.to_arviz()
    said = method.describe()["chains"]
    hats = stats.rhat(tree)
    largest = max(float(np.max(hats[name])) for name in hats.data_vars)
    assert said["weights"]["r_hat"] == pytest.approx(largest, rel=1e-6)
