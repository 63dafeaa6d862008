"""Searches of a stand-in whose validation NLL is known: it is lowest at x = 0.1."""

import json
import signal
import time

import pytest

from bnn.report.document import Heading, Table
from bnn.report.runs import read_runs
from bnn.report.tuning import read_trials, tuning_blocks, was_stopped
from launch.tune_file import Range, read_search
from launch.tune_study import locked

STUB = "--module=tests.launch.stub_reporter"
HEAD = 'gin_file = "gin_configs/digits.gin"\n'
SEARCH = HEAD + "[grid]\nstub.x = {low = 0.001, high = 10.0, log = true}\n"


@pytest.fixture
def tune(launch, tmp_path):
    """tune(text, options…): code, output, errors of a search in `tmp_path / "t"`."""
    pytest.importorskip("optuna", reason="needs Optuna: pip install 'bnn[tune]'")

    def run(text, *options):
        (tmp_path / "s.toml").write_text(text)
        root = f"--root={tmp_path / 't'}"
        return launch("tune", tmp_path / "s.toml", STUB, root, "--cores=1", *options)

    return run


def trials(tmp_path):
    return json.loads((tmp_path / "t" / "trials.json").read_text())


@pytest.mark.slow
def test_a_search_finds_the_lowest_point_prunes_and_goes_on(tune, tmp_path):
    """Of 8 random trials in four decades the best is seldom as near as that of 30 by TPE."""
    pause = 'bindings = ["stub.pause = 0.12"]\n'
    code, out, err = tune(pause + SEARCH, "--trials=8", "--startup=4")
    assert (code, err) == (0, "")
    rows = trials(tmp_path)
    assert len(rows) == 8
    finished = [row["valid_nll"] for row in rows if row["state"] == "finished"]
    assert finished == sorted(finished)
    assert len(finished) >= 4  # none of the first is pruned
    pruned = [row for row in rows if row["state"] == "pruned"]
    assert pruned, "the middle of the random ones is above some of the later"
    for row in pruned:
        assert not (tmp_path / "t" / row["folder"] / "results.json").exists()
        assert was_stopped(tmp_path / "t" / row["folder"])
    assert f"best: {rows[0]['folder']}, stub.x = {rows[0]['choices']['stub.x']}" in out
    code, out, _ = tune(pause + SEARCH, "--trials=9", "--startup=4")
    assert code == 0
    assert out.count("start ") == 1
    assert len(trials(tmp_path)) == 9
    code, _, err = tune(HEAD + "[grid]\nstub.x = {low = 0.01, high = 1.0}\n")
    assert code == 2
    assert "holds trials of another search; name another folder with --root" in err


@pytest.mark.slow
def test_more_trials_come_near_the_lowest_point(tune, tmp_path):
    code, _, _ = tune(SEARCH, "--trials=30")
    assert code == 0
    best = trials(tmp_path)[0]
    assert best["valid_nll"] < 1.1 + 0.05  # |ln x − ln 0.1| < 0.23; the range has ± 4.6


def test_a_stopped_search_resumes_its_own_runs(start, tune, tmp_path):
    (tmp_path / "s.toml").write_text('bindings = ["stub.wait = True"]\n' + SEARCH)
    words = ("tune", tmp_path / "s.toml", STUB, f"--root={tmp_path / 't'}", "--cores=1")
    process = start(*words, "--trials=2")
    metrics = tmp_path / "t" / "trial=0000" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not metrics.exists() or len(metrics.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    other = start(*words, "--trials=2")
    assert "is being searched by another launch.tune" in other.communicate(timeout=60)[1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 42
    (tmp_path / "t" / "allowed").touch()
    code, _, err = tune((tmp_path / "s.toml").read_text(), "--trials=1")
    assert (code, err) == (0, "")
    starts = (tmp_path / "t" / "trial=0000" / "starts").read_text().split()
    assert starts[0] == "0"
    assert int(starts[1]) >= 2  # it went on where it was
    [row] = trials(tmp_path)
    assert (row["folder"], row["state"]) == ("trial=0000", "finished")


@pytest.mark.slow
def test_what_cannot_be_searched_is_refused(tune, tmp_path):
    code, _, err = tune('bindings = ["stub.valid = False"]\n' + SEARCH, "--trials=3")
    assert code == 2
    assert "reports no valid_nll: its data set has no validation part" in err
    code, out, err = tune('bindings = ["stub.fail = True"]\n' + SEARCH.replace("10.0", "9.0"))
    assert code == 2
    assert "holds trials of another search" in err
    (tmp_path / "t").rename(tmp_path / "other")
    code, out, err = tune('bindings = ["stub.fail = True"]\n' + SEARCH)
    assert code == 2
    assert "3 of 3 runs failed" in err
    assert "told to fail" in err
    assert out.count("start ") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[grid]\nx.a = 3", r"x\.a must be a range \{low = …, high = …\} or a list"),
        ("[grid]\nx.a = {low = 3}", "x.a must have low and high"),
        ("[grid]\nx.a = {low = 3, high = 1}", "must go from low up to high"),
        ("[grid]\nx.a = {low = 0, high = 1, log = true}", "needs a positive low and no step"),
        ("[grid]\nx.a = {low = 0, high = 1, step = 2}", "needs a step from above 0"),
        ("[grid]\nrun.seed = {low = 0, high = 9}", "the best seed is chance"),
        ("", "there is nothing to search"),
        ("[zip]\nx.a = [1]", r"\[zip\] has no meaning in a search"),
        ("seeds = 3\n[grid]\nx.a = [1, 2]", "got 3 seeds: a trial is one run"),
        ("bindings = ['x.a = 1']\n[grid]\nx.a = [1, 2]", "x.a is bound twice"),
    ],
)
def test_faults_of_the_file(text, message, tmp_path):
    (tmp_path / "s.toml").write_text(HEAD + text + "\n")
    with pytest.raises(ValueError, match=message):
        read_search(tmp_path / "s.toml")


def test_the_file_and_a_trial_of_it(tmp_path):
    text = "bindings = ['run.epochs = 5']\nseeds = [7]\n[grid]\nrun.batch_size = {low = 32, "
    text += 'high = 128, step = 32}\na.b = ["@Flipout()", "None"]\nc.d = {low = 1, high = 2.5}\n'
    (tmp_path / "s.toml").write_text(HEAD + text)
    search = read_search(tmp_path / "s.toml")
    assert search.space == {
        "run.batch_size": Range(32, 128, step=32),
        "a.b": ("@Flipout()", "None"),
        "c.d": Range(1, 2.5),
    }
    assert search.space["run.batch_size"].whole
    assert not search.space["c.d"].whole
    point = search.point("trial=0003", {"run.batch_size": 64, "a.b": "None"}, tmp_path)
    assert point.arguments == [
        "--gin_file=gin_configs/digits.gin",
        "--gin_bindings=run.epochs = 5",
        "--gin_bindings=run.batch_size = 64",
        "--gin_bindings=a.b = None",
        "--gin_bindings=run.seed = 7",
        f"--workdir={tmp_path / 'trial=0003'}",
    ]


def test_a_report_shows_the_trials_and_takes_pruned_runs_for_complete(tmp_path):
    rows = [
        {"folder": "trial=0001", "state": "finished", "choices": {"s.x": 0.125}, "valid_nll": 1.5},
        {"folder": "trial=0000", "state": "pruned", "choices": {"s.x": 4.0}, "valid_nll": None},
    ]
    (tmp_path / "trials.json").write_text(json.dumps([*rows, {"folder": 3}, "x"]))
    assert read_trials(tmp_path) == rows
    heading, words, table = tuning_blocks([tmp_path, tmp_path / "none"])
    assert heading == Heading(f"Search {tmp_path.name}", 2)
    assert "2 trials: 1 finished, 1 stopped above the median, 0 failed" in words.text
    assert "`s.x = 0.125`" in words.text
    assert isinstance(table, Table)
    assert table.rows[0] == ["trial=0001", "finished", "0.125", "1.500"]
    assert table.rows[1][-1] == "–"
    (tmp_path / "trial=0000").mkdir()
    (tmp_path / "trial=0000" / "config.gin").touch()
    with pytest.raises(ValueError, match="none of 0 runs has finished"):
        read_runs([tmp_path])  # not refused for what was pruned
    (tmp_path / "trial=0002").mkdir()
    (tmp_path / "trial=0002" / "config.gin").touch()
    with pytest.raises(ValueError, match=r"1 of 1 runs have not finished: .*trial=0002"):
        read_runs([tmp_path])
    (tmp_path / "trials.json").write_text("{")
    assert tuning_blocks([tmp_path]) == []


def test_the_lock_empties_and_follows_nothing(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_text("somebody's")
    root = tmp_path / "t"
    with (
        locked(root),
        pytest.raises(ValueError, match="is being searched by another"),
        locked(root),
    ):
        pass
    (root / "tune.lock").write_text("somebody's")
    with locked(root):
        assert (root / "tune.lock").read_text() == "somebody's"
    (root / "tune.lock").unlink()
    (root / "tune.lock").symlink_to(foreign)
    with pytest.raises(ValueError, match="is not a file of its own"), locked(root):
        pass
    assert foreign.read_text() == "somebody's"
