"""What trackers hear of a run, its failure and its files."""

import pytest

from bnn.experiment import run
from bnn.runs import results as results_module
from bnn.runs import session
from bnn.training import InterruptedRunError
from tests.runs.toy_runs import FullPace, Recorder, StopAt, arguments, training_loop


def test_trackers_hear_of_everything_and_of_failure(tmp_path, cheap_runs, monkeypatch):
    recorder = Recorder()
    figures = {"learning_curve": tmp_path / "figure.png"}
    monkeypatch.setattr(results_module, "draw_figures", lambda *args: figures)
    with monkeypatch.context() as patch:
        patch.setattr(StopAt, "end", 2, raising=False)
        patch.setattr(session, "TrainingSteps", StopAt)
        patch.setattr(training_loop, "Pace", FullPace)
        with pytest.raises(InterruptedRunError):
            run(tmp_path / "run", **arguments(tracker=recorder, epochs=2))
    assert recorder.calls == [("start", None), ("finish", False, True)]
    recorder.calls.clear()
    run(tmp_path / "run", **arguments(tracker=recorder, epochs=2))
    assert recorder.calls == [
        *(("start", 2), ("log", 3), ("log", 6)),
        *(("figure", "learning_curve"), ("finish", True, False)),
    ]


def test_any_number_of_trackers_and_their_artifact(tmp_path, cheap_runs):
    class Keeper(Recorder):
        def artifact(self, name, files):
            self.calls.append((name, sorted(files), all(p.exists() for p in files.values())))

    recorder, keeper = Recorder(), Keeper()
    run(tmp_path / "run", **arguments(tracker=[recorder, keeper], epochs=2))
    assert recorder.calls[0] == keeper.calls[0] == ("start", None)
    name, files, exist = keeper.calls[-2]
    assert (name, exist) == ("checkpoint", True)
    assert sorted(file.replace("ckpt-", "") for file in files) == sorted(
        [
            "checkpoints/checkpoint",
            *("checkpoints/6.data-00000-of-00001", "checkpoints/6.index"),
            *("config.gin", "arguments.json", "data.json", "results.json"),
        ]
    )
    assert recorder.calls[-1] == keeper.calls[-1] == ("finish", True, False)
