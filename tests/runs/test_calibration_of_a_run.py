"""A run is calibrated on its validation part, and restored with what was fitted."""

import os

import gin
import numpy as np
import pytest

import bnn
from bnn import experiment
from bnn.data import Dataset
from bnn.predictive import LAC, NormalizedResidual, TemperatureScaling
from bnn.runs.calibration_file import NAME, validation_part
from bnn.runs.configuration import parse as _parse
from bnn.runs.folder import _OWN
from bnn.runs.restore import restore
from tests.runs.task_cases import arguments
from tests.runs.test_restore import CONFIG

BINDINGS = [
    "run.epochs = 3",
    "run.batch_size = 240",
    "run.num_predict_samples = 4",
    "run.tracker = None",
    "run.jit_compile = False",
    "mlp.hidden = (5,)",
    "digits.validation_fraction = 0.2",
]


def sine(rng, size):
    x = rng.uniform(-1, 1, size=(size, 1)).astype(np.float32)
    return x, (np.sin(3 * x) + 0.3 * rng.normal(size=x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    gin.clear_config()
    with gin.unlock_config():
        _parse([str(CONFIG)], BINDINGS)
        experiment.run(folder)
    gin.clear_config()
    return folder


@pytest.mark.slow
def test_it_is_restored_with_the_run(finished, clean_gin):
    run = restore(finished)
    x = run.data.x_test
    assert run.calibration is None
    with pytest.raises(ValueError, match=r"calibration must be there, got None: .* was calibrated"):
        run.predictive(x).prediction_sets()
    made = run.calibrate(TemperatureScaling(), LAC(0.9))
    assert sorted(p.name for p in finished.iterdir() if "calib" in p.name) == [NAME]
    said = restore(finished).predictive(x)
    np.testing.assert_allclose(said.calibrated_mean, made.probs(run.predictive(x).mean), rtol=1e-5)
    sets = said.prediction_sets()
    assert sets.shape == (run.data.num_test, 10)
    covered = sets[np.arange(len(sets)), run.data.y_test].mean()
    # Of half of the validation part and the test set, both with their errors.
    half = run.data.num_valid // 2
    assert abs(covered - 0.9) < 6 * np.sqrt(0.09 * (1 / half + 1 / len(sets)))
    assert run.calibration.made_with == {
        "step": run.step,
        "num_samples": 4,
        "seed": 0,
        "num_examples": run.data.num_valid,
    }
    # another prediction is not what it was made of
    for options in (
        {"num_samples": 5},
        {"seed": 7},
        {"tolerance": 0.5},
        {"antithetic": True},
    ):
        assert run.predictive(x[:4], **options).calibration is None
    with pytest.raises(ValueError, match=r"inputs and targets must both be given, or neither"):
        run.calibrate(LAC(), inputs=x)


@pytest.mark.slow
def test_predictions_are_those_of_the_run_itself(finished, clean_gin):
    run = restore(finished)
    x = run.data.x_test[:20]
    said = run.predictive(x)
    logits = run.predict(x).numpy().astype(np.float64)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(said.mean, (p / p.sum(-1, keepdims=True)).mean(0), rtol=1e-4)


@pytest.mark.slow
def test_a_calibration_of_another_model_or_a_damaged_one_is_refused(finished, clean_gin):
    run = restore(finished)
    run.calibrate(None, LAC(0.8))
    file = finished / NAME
    whole = file.read_bytes()
    run.calibration  # noqa: B018  (it is read)
    run._step = run.step + 1
    with pytest.raises(ValueError, match=r"was made for step \d+ of the training, and the model"):
        run.calibration  # noqa: B018
    run._step = run.step - 1
    for damaged in (whole[:100], b"", whole[:-200] + os.urandom(200)):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"is no readable calibration \(.*delete it, and call"):
            run.calibration  # noqa: B018
    file.write_bytes(whole)
    assert _OWN[""].fullmatch(f".{NAME}.123.tmp")  # what a killed process leaves is swept


def test_validation_parts_that_cannot_serve():
    rng = np.random.default_rng(0)
    x, y = sine(rng, 30)
    none = x[:0], y[:0]
    units = {"target_loc": np.zeros(1), "target_scale": np.ones(1)}
    without = Dataset("sine", x, y, *none, x, y, **units)
    with pytest.raises(ValueError, match=r"must have a validation part to calibrate with, but has"):
        validation_part(without)
    weighted = Dataset("sine", x, y, x, y, x, y, weights_valid=np.ones(30, np.float32), **units)
    with pytest.raises(ValueError, match=r"have weights, which a calibration does not know"):
        validation_part(weighted)


@pytest.mark.slow
def test_a_regression_in_its_own_units(tmp_path, clean_gin):
    rng = np.random.default_rng(1)
    parts = [part for size in (200, 400, 1000) for part in sine(rng, size)]
    units = {"target_loc": np.array([50.0]), "target_scale": np.array([10.0])}
    data = Dataset("sine", *parts, **units)

    def given():
        return arguments(data, bnn.likelihoods.Normal(0.5), num_predict_samples=8, epochs=20)

    with gin.unlock_config():
        experiment.run(tmp_path / "run", **given())
    run = restore(tmp_path / "run", **given())
    run.calibrate(conformal=NormalizedResidual(0.8))
    said = restore(tmp_path / "run", **given()).predictive(data.x_test)
    lower, upper = said.conformal_interval()
    y = data.to_own_units(data.y_test)
    covered = np.mean((lower <= y) & (y <= upper))
    assert abs(covered - 0.8) < 6 * np.sqrt(0.16 * (1 / 400 + 1 / 1000))
    assert 30 < np.mean(lower) < np.mean(y) < np.mean(upper) < 70
