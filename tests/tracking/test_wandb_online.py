"""W&B with a server: what is sent, and what one that is absent, ill or lost costs a run."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time

import pytest
import wandb
from wandb_runs import BOUND, KEY, RECORDS, end_session, reports, steps_and_losses, track, wait_for
from wandb_server import closed_port

from bnn.tracking import Jsonl, Trackers, WandB, read_jsonl

pytestmark = pytest.mark.usefixtures("own_wandb")


def test_online_without_a_key_is_offline_and_does_not_ask(run_info, read_wandb, caplog, capfd):
    run = run_info()
    assert track(run, WandB(mode="online"), RECORDS) < BOUND
    (message,) = reports(caplog)
    assert "no API key is configured" in message
    (folder,) = run.workdir.glob("wandb/offline-run-*")
    assert message.endswith(f"wandb sync {folder}")
    assert len(steps_and_losses(read_wandb(folder)["history"])) == 3
    assert capfd.readouterr() == ("", "")


def test_online_sends_metrics_by_global_step(run_info, server, monkeypatch, caplog, capfd):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run = run_info()
    track(run, WandB(finish_timeout=5), RECORDS, {"nll": 0.5})
    wandb.teardown()
    assert steps_and_losses(server.history) == [(s, v["loss"]) for s, v in RECORDS]
    assert not any("RunResumeStatus" in query for query in server.queries)
    assert [artifact["artifactTypeName"] for artifact in server.artifacts] == ["run_table"]
    track(run_info(resumed_step=30), WandB(finish_timeout=5), [(40, {"loss": 1.0})])
    assert any("RunResumeStatus" in query for query in server.queries)
    assert reports(caplog) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answer", "resumed"),
    [("hang", None), ("500", None), ("401", None), ("401", 0), ("closed port", 0)],
)
def test_a_server_that_does_not_serve_means_offline_in_bounded_time(
    run_info, read_wandb, server, monkeypatch, caplog, answer, resumed
):
    server.answer = answer
    url = server.url if answer != "closed port" else f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run = run_info(resumed_step=resumed)
    (run.workdir / "wandb.json").write_text('{"id": "earlier"}')
    assert track(run, WandB(init_timeout=1), RECORDS) < BOUND
    (message,) = reports(caplog)
    assert message.startswith("W&B could not start online (")
    (folder,) = run.workdir.glob("wandb/offline-run-*")
    known = json.loads((run.workdir / "wandb.json").read_text())["id"]
    assert folder.name.endswith(known)
    assert (known == "earlier") == (resumed == 0)
    assert steps_and_losses(read_wandb(folder)["history"]) == [(s, v["loss"]) for s, v in RECORDS]
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 3


@pytest.mark.parametrize("answer", ["hang", "500"])
def test_a_server_lost_on_the_way_costs_at_most_the_finish_timeout(
    run_info, read_wandb, server, monkeypatch, caplog, answer
):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run, tracker = run_info(), WandB(init_timeout=5, finish_timeout=1)
    trackers = Trackers([tracker, Jsonl()])
    trackers.start(run)
    trackers.log(*RECORDS[0])
    wait_for(lambda: tracker._run is not None)  # W&B starts beside the run
    server.answer = answer
    begin = time.monotonic()
    for step in range(20, 520):
        trackers.log(step, {"loss": 1.0})
    trackers.finish({"nll": 0.5})
    assert time.monotonic() - begin < BOUND
    (message,) = reports(caplog)
    assert message.startswith(f"W&B finish failed (RuntimeError: {server.url} ")
    (folder,) = run.workdir.glob("wandb/run-*")
    assert message.endswith(f"Upload what is on disk with: wandb sync --include-online {folder}")
    assert len(steps_and_losses(read_wandb(folder)["history"])) == 501
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 501


def sync(*arguments):
    """`wandb sync` in a process of its own, with the environment of the test."""
    command = [sys.executable, "-m", "wandb", "sync", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_a_lost_server_missed_is_uploaded_by_the_command_in_the_warning(
    run_info, server, monkeypatch, caplog
):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    tracker = WandB(init_timeout=5, finish_timeout=1)
    trackers = Trackers([tracker])
    trackers.start(run_info())
    wait_for(lambda: tracker._run is not None)
    server.answer = "500"
    for step, values in RECORDS:
        trackers.log(step, values)
    trackers.finish({"nll": 0.5})
    end_session()
    server.answer = "ok"
    assert server.history == []
    (message,) = reports(caplog)
    sync(*message.partition("wandb sync ")[2].split())
    assert steps_and_losses(server.history) == [(s, v["loss"]) for s, v in RECORDS]


@pytest.mark.slow
def test_the_parts_of_a_run_resumed_offline_are_uploaded_in_order(run_info, server, monkeypatch):
    run = run_info()
    track(run, WandB(), RECORDS[:2])
    time.sleep(1.1)  # wandb names folders by the second
    track(run_info(resumed_step=20), WandB(), RECORDS[2:])
    end_session()
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    sync(run.workdir / "wandb")
    assert steps_and_losses(server.history) == [(s, v["loss"]) for s, v in RECORDS]


@pytest.mark.slow
def test_a_closed_port_costs_the_start_timeout_and_nothing_on_the_terminal(run_info, read_wandb):
    run = run_info()
    program = textwrap.dedent(
        f"""
        import pathlib, time
        from bnn.tracking import Jsonl, RunInfo, Trackers, WandB
        run = RunInfo(pathlib.Path({str(run.workdir)!r}), "x")
        trackers = Trackers([WandB(init_timeout=3), Jsonl()])
        begin = time.monotonic()
        trackers.start(run)
        print(time.monotonic() - begin)
        for step in range(100):
            trackers.log(step, {{"loss": 1.0}})
        trackers.finish({{}})
        """
    )
    environ = {"WANDB_BASE_URL": f"http://127.0.0.1:{closed_port()}", "WANDB_API_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0
    assert float(done.stdout) < BOUND
    (line,) = [line for line in done.stderr.splitlines() if re.search("w&b|wandb", line.lower())]
    assert "W&B could not start online" in line
    (folder,) = run.workdir.glob("wandb/offline-run-*")
    assert len(steps_and_losses(read_wandb(folder)["history"])) == 100
    assert len(read_jsonl(run.workdir / "metrics.jsonl")) == 100
