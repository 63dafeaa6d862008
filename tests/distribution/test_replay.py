"""`python -m bnn.replay`: one step again, and errors."""

import keras
import pytest

import bnn
from bnn.experiment import run
from bnn.methods import VariationalInference
from bnn.runs import step_replay
from bnn.training import NonFiniteLossError
from tests.runs.toy_runs import classes, linear


def arguments(**changes):
    return {
        "data": classes(),
        "model": linear,
        "likelihood": bnn.likelihoods.Categorical(),
        "method": VariationalInference(bnn.estimators.ScoreFunction(bnn.estimators.RunningMean())),
        "optimizer": keras.optimizers.Adam(0.05),
        "epochs": 4,
        "batch_size": 10,
        "num_predict_samples": 2,
        "steps_per_call": 1,
        "report_every": 1 / 3,  # every step, so that each one's loss is on record
        "jit_compile": False,
        **changes,
    }


def replay(workdir, step, **changes):
    return run(
        workdir, **arguments(**changes), instead=lambda session: step_replay.replay(session, step)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cheap):
    workdir = tmp_path_factory.mktemp("replay") / "run"
    with cheap():
        run(workdir, **arguments(save_seconds=0.0))
    return workdir


@pytest.mark.parametrize(("step", "start"), [(2, 0), (11, 11)])
def test_a_replayed_step_has_the_numbers_of_the_run(finished, cheap_runs, step, start):
    from bnn.tracking import read_jsonl

    before = {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()}
    report = replay(finished, step)
    record = {r["step"]: r for r in read_jsonl(finished / "metrics.jsonl")}[step + 1]
    assert report["loss"] == pytest.approx(record["loss"], rel=1e-6)
    assert list(report["metrics"]) == ["nll", "kl", "kl/0_dense/kernel"]
    for name, value in report["metrics"].items():
        assert value == pytest.approx(record[name], rel=1e-6)
    assert report["start"] <= step
    assert report["start"] >= start
    assert report["finite"]
    assert report["first_non_finite"] is None
    assert "0_dense/kernel" in report["text"]
    assert "every operation gave finite numbers" in report["text"]
    assert list(report["gradient_norms"]) == [
        "0_dense/kernel (kernel_loc)",
        "0_dense/kernel (kernel_unconstrained_scale)",
    ]
    assert all(norm > 0 for norm in report["gradient_norms"].values())
    assert {p: p.read_bytes() for p in finished.rglob("*") if p.is_file()} == before


def test_a_step_that_is_not_finite_is_explained(tmp_path, cheap_runs):
    options = {"optimizer": keras.optimizers.SGD(1e30)}
    with pytest.raises(NonFiniteLossError) as caught:
        run(tmp_path, **arguments(**options))
    report = replay(tmp_path, caught.value.step, optimizer=keras.optimizers.SGD(1e30))
    assert not report["finite"]
    assert report["first_non_finite"] is not None
    assert f"NaN checks: {report['first_non_finite']}" in report["text"]


@pytest.mark.parametrize("step", [-1, 12])
def test_a_step_outside_of_the_run_is_refused(tmp_path, cheap_runs, step):
    with pytest.raises(ValueError, match=rf"step must be from 0 to 11, .*, got {step}"):
        replay(tmp_path, step)
