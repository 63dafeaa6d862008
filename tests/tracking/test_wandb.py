"""What W&B records of a run offline, and that its failures stop no run."""

import json
import pathlib
import re
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import wandb
from wandb_runs import RECORDS, reports, steps_and_losses, track

from bnn.tracking import Trackers, WandB, read_jsonl

pytestmark = pytest.mark.usefixtures("own_wandb")


def test_unknown_modes_name_where_they_come_from(run_info, monkeypatch):
    with pytest.raises(ValueError, match="mode must be one of online, offline, disabled, got 'on'"):
        WandB(mode="on")
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(ValueError, match=r"WANDB_MODE must be one of .* got 'of'; leave it unset"):
        WandB().start(run_info())


@pytest.mark.parametrize("argument", ["init_timeout", "finish_timeout", "upload_timeout"])
def test_timeouts_must_be_positive(argument):
    with pytest.raises(ValueError, match=f"{argument} must be more than 0 seconds, got 0"):
        WandB(**{argument: 0})


def test_disabled_leaves_nothing(run_info):
    run = run_info()
    track(run, WandB(mode="disabled"), RECORDS)
    assert sorted(p.name for p in run.workdir.iterdir()) == ["curve.png", "metrics.jsonl"]


def test_the_offline_run_file_holds_everything(run_info, read_wandb, capfd, caplog):
    run = run_info()
    results = {"test_nll": np.float32(0.125), "loss": 7.0, "n": 32, "versions": {"keras": "3"}}
    track(run, WandB(project="study", group="sweep", job_type="train"), RECORDS, results)
    contents = read_wandb(run.workdir / "wandb")
    config = {k: v for k, v in contents["config"].items() if k != "_wandb"}
    assert config == {"run.seed": 0, "run.num_steps": 30, "run.data": "@digits()"}
    assert steps_and_losses(contents["history"]) == [(s, v["loss"]) for s, v in RECORDS]
    assert [r["kl/dense"] for r in contents["history"] if "kl/dense" in r] == [10.0, 20.0, 30.0]
    (figure,) = [row for row in contents["history"] if "figures/curve/path" in row]
    assert figure["_step"] == 30
    assert (figure["figures/curve/_type"], figure["figures/curve/width"]) == ("image-file", 5)
    assert figure["figures/curve/path"] in contents["files"]
    summary = contents["summary"]
    assert (summary["test_nll"], summary["n"]) == (0.125, 32)
    assert summary["loss"] == 7.0  # the result, not the last value of the history
    assert summary["versions/keras"] == "3"
    (row,) = [row for row in contents["history"] if "results/path" in row]
    assert row["_step"] == 31  # after the last report, whose row is closed by the summary
    (table,) = run.workdir.glob("wandb/offline-run-*/files/media/table/results_*.table.json")
    table = json.loads(table.read_text())
    assert table["columns"] == ["name", "value"]
    assert table["data"] == [["test_nll", 0.125], ["loss", 7.0], ["n", 32]]
    assert contents["exit_code"] == 0
    record = contents["run"]
    assert (record.project, record.display_name) == ("study", "digits-0")
    assert (record.run_group, record.job_type) == ("sweep", "train")
    assert "config.gin" in contents["files"]
    (saved,) = run.workdir.glob("wandb/offline-run-*/files/config.gin")
    assert saved.read_text() == run.config
    assert json.loads((run.workdir / "wandb.json").read_text()) == {"id": record.run_id}
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 3
    assert capfd.readouterr() == ("", "")
    assert reports(caplog) == []


def test_group_and_job_type_come_from_the_environment_where_they_are_not_given(
    run_info, read_wandb, monkeypatch
):
    monkeypatch.setenv("WANDB_RUN_GROUP", "sweep-3")
    monkeypatch.setenv("WANDB_JOB_TYPE", "worker")
    monkeypatch.setenv("WANDB_TAGS", "nightly")
    run = run_info()
    track(run, WandB(), RECORDS)
    record = read_wandb(run.workdir / "wandb")["run"]
    assert (record.run_group, record.job_type, list(record.tags)) == (
        *("sweep-3", "worker"),  # and of the tags, which are a list of their own
        ["nightly"],
    )


@pytest.mark.parametrize("asked", [True, False])
def test_the_checkpoint_is_an_artifact_where_it_is_asked_for(run_info, read_wandb, asked):
    run, tracker = run_info(), WandB(checkpoint=asked)
    files = {"checkpoints/30.index": run.workdir / "30.index", "config.gin": run.workdir / "c"}
    for number, path in enumerate(files.values()):
        path.write_bytes(bytes(10 + number))
    trackers = Trackers([tracker])
    trackers.start(run)
    trackers.log(*RECORDS[0])
    trackers.artifact("checkpoint", files)
    trackers.finish({})
    contents = read_wandb(run.workdir / "wandb")
    sent = [a for a in contents["artifacts"] if a.type == "model"]
    assert [a.name for a in sent] == [f"checkpoint-{contents['run'].run_id}"] * asked
    for artifact in sent:
        entries = {entry.path: entry for entry in artifact.manifest.contents}
        assert {path: entry.size for path, entry in entries.items()} == {
            "checkpoints/30.index": 10,
            "config.gin": 11,
        }
        assert [entries[name].local_path for name in files] == [str(p) for p in files.values()]


def test_a_run_killed_while_wandb_starts_keeps_its_id(run_info, read_wandb, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(**options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(wandb, "init", kill)
        with pytest.raises(Killed):
            WandB().start(run_info())
    run = run_info(resumed_step=0)
    known = json.loads((run.workdir / "wandb.json").read_text())["id"]
    track(run, WandB(), RECORDS)
    assert read_wandb(run.workdir / "wandb")["run"].run_id == known


def test_values_that_are_not_finite_and_a_failed_run_are_recorded(run_info, read_wandb):
    run = run_info()
    track(run, WandB(), [(1, {"loss": float("nan")}), (2, {"loss": float("inf")})], failed=True)
    contents = read_wandb(run.workdir / "wandb")
    (_, nan), (_, inf) = steps_and_losses(contents["history"])
    assert np.isnan(float(nan))
    assert np.isinf(float(inf))
    assert contents["exit_code"] == 1


def test_a_resumed_run_keeps_its_id_and_steps(run_info, read_wandb):
    run = run_info()
    track(run, WandB(), RECORDS[:2])
    first = json.loads((run.workdir / "wandb.json").read_text())["id"]
    before = set((run.workdir / "wandb").glob("offline-run-*"))
    time.sleep(1.1)  # wandb names folders by the second
    track(run_info(resumed_step=20), WandB(), RECORDS[2:])
    assert json.loads((run.workdir / "wandb.json").read_text())["id"] == first
    (resumed,) = set((run.workdir / "wandb").glob("offline-run-*")) - before
    contents = read_wandb(resumed)
    assert contents["run"].run_id == first
    assert steps_and_losses(contents["history"]) == [(30, 1 / 30)]


def test_an_unreadable_id_starts_a_new_wandb_run_with_a_warning(run_info, read_wandb, caplog):
    run = run_info(resumed_step=0)
    (run.workdir / "wandb.json").write_text("{")
    track(run, WandB(), RECORDS)
    assert "wandb.json is not readable" in caplog.text
    saved = json.loads((run.workdir / "wandb.json").read_text())
    assert saved == {"id": read_wandb(run.workdir / "wandb").get("run").run_id}


class Broken:
    """A W&B run whose every call fails."""

    id, dir = "x", "/nowhere"

    class settings:
        sync_dir = "/nowhere"

    def __getattr__(self, name):
        raise ConnectionError(f"lost in {name}")


def test_failures_of_wandb_are_logged_once_and_never_raised(run_info, caplog, monkeypatch):
    run, tracker = run_info(), WandB()
    monkeypatch.setattr(tracker, "_open", lambda *args: Broken())
    monkeypatch.setattr(tracker, "_wandb", wandb)
    track(run, tracker, RECORDS, {"nll": 1.0})
    (message,) = reports(caplog)
    assert message.startswith("W&B start failed (")
    assert "The run goes on, with all its own files" in message
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 3


def test_a_wandb_that_cannot_start_at_all_is_left_out(run_info, caplog, monkeypatch):
    def fail(*args):
        raise OSError("no space")

    run, tracker = run_info(), WandB(mode="online")
    monkeypatch.setattr(tracker, "_open", fail)
    track(run, tracker, RECORDS)
    (message,) = reports(caplog)
    assert "no space" in message
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 3


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc").exists(), reason="finds the service in /proc")
def test_a_wandb_service_that_dies_does_not_stop_the_run(run_info, caplog):
    run = run_info()
    program = textwrap.dedent(
        f"""
        import os, pathlib, signal, time
        from bnn.tracking import Jsonl, RunInfo, Trackers, WandB
        run = RunInfo(pathlib.Path({str(run.workdir)!r}), "x")
        tracker = WandB()
        trackers = Trackers([tracker, Jsonl()])
        trackers.start(run)
        while tracker._run is None:
            time.sleep(0.02)
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            stat = (process / "stat").read_text()
            if "(wandb-core)" in stat and f") S {{os.getpid()}} " in stat:
                os.kill(int(process.name), signal.SIGKILL)
        for step in range(1000):
            trackers.log(step, {{"loss": 1.0}})
        trackers.finish({{}})
        print("done")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=180
    )
    assert done.stdout == "done\n"
    assert re.search(r"W&B (start|log) failed \((Connection|BrokenPipe)", done.stderr)
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 1000
