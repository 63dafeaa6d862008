import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from launch.cluster import free_ports
from launch.points import Point, write_points
from launch.slurm_task import array_arguments, task_environment, worker_addresses

# Captured in Slurm 22.05.8: srun in a job of two nodes with one task each, and with two and one.
TWO_NODES = {
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NODELIST": "n[0-1]",
    "SLURM_STEP_NODELIST": "n[0-1]",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    "SLURM_PROCID": "1",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "0",
    "SLURMD_NODENAME": "n1",
}
UNEVEN = {
    **TWO_NODES,
    "SLURM_STEP_NODELIST": "gpu[08-09,12]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURMD_NODENAME": "gpu09",
}


def test_two_nodes():
    variables, addresses, rank = task_environment(TWO_NODES)
    assert (addresses, rank) == (["n0:10100", "n1:10101"], 1)
    assert json.loads(variables["TF_CONFIG"]) == {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": 1},
    }
    assert "CUDA_VISIBLE_DEVICES" not in variables


def test_ranks_fill_the_nodes_and_ports_follow_the_rank():
    assert worker_addresses(UNEVEN, port=5000) == [
        "gpu08:5000",
        "gpu08:5001",
        "gpu09:5002",
        "gpu09:5003",
        "gpu12:5004",
    ]


def test_jobs_that_follow_each_other_use_other_ports_below_the_ephemeral_ones():
    ports = []
    for job in range(10_000_000, 10_000_220):
        last = worker_addresses({**TWO_NODES, "SLURM_JOB_ID": str(job)})[0]
        ports.append(int(last.rpartition(":")[2]))
    assert len(set(ports)) == 220
    assert min(ports) >= 10000
    assert max(ports) + 99 < 32768


def test_gpus_are_shared_among_the_tasks_of_a_node():
    gpus = {**UNEVEN, "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    assert task_environment(gpus, gpus_per_task=2)[0]["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert task_environment(gpus, gpus_per_task=0)[0]["CUDA_VISIBLE_DEVICES"] == "-1"
    with pytest.raises(ValueError, match="worker 1 needs GPUs 4 to 7, but only 4 can be seen here"):
        task_environment(gpus, gpus_per_task=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_STEP_NODELIST": None}, "SLURM_STEP_NODELIST is not set; start it with srun"),
        ({"SLURM_PROCID": None}, "SLURM_PROCID is not set; start it with srun"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1"}, "names 2 nodes and SLURM_STEP_TASKS_PER_NODE 1"),
        ({"SLURM_PROCID": "2"}, "SLURM_PROCID is 2, but the step has 2 tasks"),
        (
            {"SLURMD_NODENAME": "n0"},
            "rank 1 runs on node n0, not n1: .* srun --distribution=block",
        ),
    ],
)
def test_variables_that_do_not_fit(changes, message):
    environment = {k: v for k, v in {**TWO_NODES, **changes}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        task_environment(environment)


def test_array_elements_put_their_number_in():
    arguments = ["--workdir=runs/{array}", "--gin_bindings=run.seed = {array}", "x"]
    assert array_arguments(arguments, {"SLURM_ARRAY_TASK_ID": "7"}) == [
        "--workdir=runs/7",
        "--gin_bindings=run.seed = 7",
        "x",
    ]
    assert array_arguments(["x"], {}) == ["x"]
    with pytest.raises(ValueError, match=r"ARRAY_TASK_ID is not set; submit with launch\.slurm"):
        array_arguments(arguments, {})


STEP = {
    **TWO_NODES,
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_STEP_TASKS_PER_NODE": "1",
    "SLURM_PROCID": "0",
    "SLURMD_NODENAME": "localhost",
}


def facts(out):
    return json.loads(out.partition("facts ")[2].splitlines()[0])


def test_a_task_runs_its_worker_and_passes_its_code_on(launch):
    task = ["--module=tests.launch.stand_in", "--port=31999", "--"]
    code, out, err = launch("slurm_task", *task, "--fail=0:3", **STEP)
    assert code == 3
    assert "launch: task 0 (localhost:31999) ended with exit code 3" in err
    assert facts(out)["arguments"] == ["--fail=0:3"]


def test_srun_that_kills_a_stopped_task_does_not_take_its_code():
    """Signals that come until the very end; 42 puts the job into the queue again."""
    words = ["--module=tests.launch.stand_in", "--port=31998", "--", "--saves", "--seconds=60"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "launch.slurm_task", *words],
        env={**os.environ, **STEP},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("facts")
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    process.stdout.close()
    assert process.returncode == 42


def test_an_element_runs_its_point(launch, tmp_path):
    points = [Point(f"p{i}", {}, None, [f"--seconds=0.{i}"]) for i in range(3)]
    write_points(tmp_path / "points.json", points)
    options = [f"--points={tmp_path / 'points.json'}", "--module=tests.launch.stand_in"]
    code, out, _ = launch("slurm_task", *options, "--", **STEP, SLURM_ARRAY_TASK_ID="2")
    assert (code, facts(out)["arguments"]) == (0, ["--seconds=0.2"])


def test_outside_of_a_job_it_says_so(launch):
    code, _, err = launch("slurm_task", "--module=tests.launch.stand_in", "--")
    assert code == 2
    assert "error: the variable SLURM_STEP_NODELIST is not set; start it with srun" in err


def test_a_stopped_task_waits_for_the_others_before_it_exits(start):
    # srun kills all tasks as soon as one fails, and 42 is a failure to it.
    port = free_ports(1)[0]
    step = {**STEP, "SLURM_STEP_NODELIST": "localhost,127.0.0.1"}
    step |= {"SLURM_STEP_TASKS_PER_NODE": "1(x2)"}
    with socket.create_server(("127.0.0.1", port + 1)):
        task = start(
            "slurm_task", "--module=tests.launch.stand_in", f"--port={port}", "--", "--fail=0:42",
            **step,
        )  # fmt: skip
        while "ended with exit code 42" not in task.stderr.readline():
            assert task.poll() is None
        time.sleep(1)
        assert task.poll() is None, "the other worker still runs"
    task.communicate(timeout=50)
    assert task.returncode == 42
