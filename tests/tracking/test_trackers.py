import io

import gin
import pytest

from bnn import tracking
from bnn.tracking import (
    Console,
    Jsonl,
    TensorBoard,
    Tracker,
    Trackers,
    WandB,
    read_jsonl,
    run_trackers,
)


class Recorder(Tracker):
    def __init__(self, fails=()):
        self.fails, self.calls = fails, []

    def _record(self, name, *args):
        self.calls.append((name, *args))
        if name in self.fails:
            raise OSError(f"no space in {name}")

    def start(self, run):
        self._record("start", run)

    def log(self, step, values):
        self._record("log", step, values)

    def figure(self, name, path, step):
        self._record("figure", name, path, step)

    def finish(self, results, failed=False):
        self._record("finish", results, failed)


class Essential(Recorder):
    essential = True


def use(trackers, run, path):
    trackers.start(run)
    trackers.log(1, {"loss": 1.0})
    trackers.log(2, {"loss": 2.0})
    trackers.figure("curve", path, 2)
    trackers.finish({"nll": 1.0}, failed=True)


def test_every_tracker_gets_every_call(run_info, tmp_path):
    run, parts = run_info(), [Recorder(), Recorder()]
    use(Trackers(parts), run, tmp_path)
    for part in parts:
        assert part.calls == [
            ("start", run),
            ("log", 1, {"loss": 1.0}),
            ("log", 2, {"loss": 2.0}),
            ("figure", "curve", tmp_path, 2),
            ("finish", {"nll": 1.0}, True),
        ]


def test_a_failing_tracker_stops_nobody_and_is_reported_once(run_info, tmp_path, caplog):
    run, broken, sound = run_info(), Recorder(fails=("log", "figure", "finish")), Recorder()
    use(Trackers([broken, Jsonl(), sound]), run, tmp_path)
    assert len(sound.calls) == len(broken.calls) == 5
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 2
    (message,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert message.startswith("Recorder.log failed (OSError: no space in log). The run goes on")


def test_a_tracker_that_cannot_start_is_left_out(run_info, tmp_path, caplog):
    broken, sound = Recorder(fails=("start",)), Recorder()
    use(Trackers([broken, sound]), run_info(), tmp_path)
    assert [name for name, *_ in broken.calls] == ["start"]
    assert len(sound.calls) == 5
    assert "Recorder.start failed" in caplog.text


def test_an_essential_tracker_starts_first_and_its_failure_is_raised(run_info):
    (run_info().workdir / "metrics.jsonl").touch()
    other = Recorder()
    with pytest.raises(FileExistsError):
        Trackers([other, Jsonl()]).start(run_info())
    assert other.calls == []


@pytest.mark.parametrize("when", ["log", "figure", "finish"])
def test_an_essential_failure_reaches_the_caller(run_info, tmp_path, when):
    with pytest.raises(OSError, match=f"no space in {when}"):
        use(Trackers([Essential(fails=(when,))]), run_info(), tmp_path)


def test_all_are_finished_before_an_essential_failure_is_raised(run_info, tmp_path):
    other = Recorder()
    with pytest.raises(OSError, match="no space in finish"):
        use(Trackers([Essential(fails=("finish",)), other]), run_info(), tmp_path)
    assert other.calls[-1][0] == "finish"


def test_a_stop_by_the_user_is_not_swallowed(run_info):
    class Interrupted(Recorder):
        def log(self, step, values):
            raise KeyboardInterrupt

    trackers = Trackers([Interrupted()])
    trackers.start(run_info())
    with pytest.raises(KeyboardInterrupt):
        trackers.log(1, {})


def test_only_trackers_are_taken():
    with pytest.raises(TypeError, match=r"must hold Tracker objects, got <class .*@WandB\(\)"):
        Trackers([Jsonl])


def test_every_run_has_console_and_jsonl(run_info, capsys):
    run, recorder = run_info(), Recorder()
    use(run_trackers([recorder], total_steps=2), run, run.workdir)
    assert len(recorder.calls) == 5
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 2
    assert "step 2/2" in capsys.readouterr().out


def test_a_chosen_console_and_jsonl_take_the_place_of_the_standard_ones(run_info, capsys):
    run, stream = run_info(), io.StringIO()
    use(run_trackers([Console(stream=stream), Jsonl()], total_steps=2), run, run.workdir)
    assert "step 2" in stream.getvalue()
    assert capsys.readouterr().out == ""
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 2


def test_two_of_a_class_are_refused():
    with pytest.raises(ValueError, match="at most one WandB, got 2, which would write the same"):
        run_trackers([WandB(), Console(), WandB()])


def test_a_list_of_trackers_is_chosen_in_gin():
    pytest.importorskip("tensorboard")

    def take_trackers(trackers):
        return trackers

    with gin.unlock_config():
        take = gin.external_configurable(take_trackers, "take_trackers", module="tests")
        gin.parse_config("take_trackers.trackers = [@WandB(), @TensorBoard()]")
    assert [type(tracker) for tracker in take()] == [WandB, TensorBoard]


def test_gin_names():
    for name in ("Jsonl", "Console", "WandB"):
        with gin.unlock_config():
            built = gin.get_configurable(f"bnn.tracking.{name}")()
        assert isinstance(built, getattr(tracking, name))
