import json
import pathlib
import shutil

import gin
import numpy as np
import pytest

from bnn import experiment
from bnn.evaluation import evaluate
from bnn.runs.configuration import parse as _parse
from bnn.runs.restore import restore

BINDINGS = [
    "run.epochs = 2",
    "run.batch_size = 240",
    "run.num_predict_samples = 3",
    "run.tracker = None",
    "run.seed = 3",
    "mlp.hidden = (5,)",
]
CONFIG = pathlib.Path(__file__).parents[2] / "gin_configs" / "digits.gin"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restore") / "run"
    gin.clear_config()
    with gin.unlock_config():
        _parse([str(CONFIG)], BINDINGS)
        experiment.run(folder)
    gin.clear_config()
    return folder


def test_predictions_are_those_of_the_run(finished, clean_gin):
    run = restore(finished)
    assert run.step == run.results["steps"]
    samples = run.predict(run.data.x_test)
    assert samples.shape == (3, run.data.num_test, 10)
    test = evaluate(run.problem.likelihood, samples, run.data.y_test, run.data)
    assert test == pytest.approx(run.results["test"], rel=1e-6)
    other = run.predict(run.data.x_test[:4], num_samples=2, seed=8)
    assert other.shape == (2, 4, 10)
    assert not np.allclose(other, samples[:2, :4])


def test_the_configuration_of_the_process_stays(finished, clean_gin):
    gin.parse_config("priors.Normal.scale = 7.0")
    held = gin.config_str()
    restore(finished)
    assert gin.config_str() == held


def test_a_folder_without_a_run_is_refused(tmp_path, clean_gin):
    with pytest.raises(FileNotFoundError, match=r"must be the folder of a run, but holds no conf"):
        restore(tmp_path)


def test_a_run_that_has_not_ended_is_taken_only_where_asked(finished, tmp_path, clean_gin):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "results.json").unlink()
    with pytest.raises(ValueError, match=r"must have ended, but has no results\.json; start its"):
        restore(folder)
    assert restore(folder, unfinished=True).results is None
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(FileNotFoundError, match=r"must hold a checkpoint in checkpoints/, but has"):
        restore(folder, unfinished=True)


def test_a_checkpoint_of_another_model_is_refused(finished, tmp_path, clean_gin):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    config = folder / "config.gin"
    text = config.read_text()
    for hidden in ("(6,)", "(5, 5)"):
        config.write_text(text.replace("hidden = (5,)", f"hidden = {hidden}"))
        assert config.read_text() != text
        with pytest.raises(ValueError, match=r"is of another model; name a new folder"):
            restore(folder)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_it(tmp_path, clean_gin, caplog):
    folder = tmp_path / "run"
    with gin.unlock_config():
        _parse([str(CONFIG)], [*BINDINGS, "run.save_seconds = 0.0", "run.steps_per_call = 4"])
        experiment.run(folder)
    newest = max(
        (folder / "checkpoints").glob("ckpt-*.index"), key=lambda path: path.stat().st_mtime
    )
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    gin.clear_config()
    with caplog.at_level("WARNING"):
        run = restore(folder)
    assert newest.stem in caplog.text
    assert "damaged" in caplog.text
    assert 0 < run.step < run.results["steps"]
    assert np.isfinite(run.predict(run.data.x_test[:3])).all()
    for index in (folder / "checkpoints").rglob("ckpt-*.index"):
        index.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"ckpt-.*delete"):
        restore(folder)


def test_an_artifact_of_the_run_restores_elsewhere(finished, tmp_path, clean_gin):
    from bnn.runs.folder import RunFolder
    from bnn.runs.model_files import model_files

    for inside, file in model_files(RunFolder(finished)).items():
        target = tmp_path / inside
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    run = restore(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == run.results
    pairs = zip(run.problem.trained, restore(finished).problem.trained, strict=True)
    for variable, original in pairs:
        np.testing.assert_array_equal(variable, original)
