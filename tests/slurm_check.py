"""Runs the Slurm launcher against a real Slurm: two nodes, real preemption, real requeue.

    python tests/slurm_check.py [--install]

It checks that
1. the workers of two nodes get one TF_CONFIG, and their shares of the GPUs;
2. a failing task ends the job in bounded time, even if the others hang, and is named;
3. a job that was cancelled is not put into the queue again;
4. a sweep is one array, whose failed runs are found, listed and retried;
5. a training job on two nodes that a more urgent job preempts saves its state, is put into the
   queue again, and ends with the numbers and weights of an uninterrupted one, to the bit.

Exit codes: 0 all hold, 1 one does not, 77 Slurm cannot be run here (and why).
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import slurm_cluster  # noqa: E402
from same_run import assert_same_run  # noqa: E402

SKIPPED = 77
NODES = 2  # of the training job
STAND_IN = "--module=tests.launch.stand_in"
_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL")


def submit(folder, name, options, arguments):
    """Submits through the launcher; the job's number and its output file."""
    output = folder / f"{name}.out"
    command = [sys.executable, "-m", "launch.slurm", f"--job_name={name}", f"--output={output}"]
    done = subprocess.run(
        [*command, "--time=10", *options, "--", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+\n", done.stdout), f"not a job's number: {done.stdout!r}"
    return done.stdout.strip(), output


def job_facts(job):
    """What Slurm says about a job, by name."""
    shown = subprocess.run(
        ["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=True
    )
    return dict(re.findall(r"(\w+)=(\S*)", shown.stdout))


def wait(job, seconds, until=_ENDED, output=None):
    """Waits until the job's state is one of those; its facts."""
    deadline = time.monotonic() + seconds
    while (facts := job_facts(job))["JobState"] not in until:
        said = output.read_text() if output is not None and output.exists() else ""
        assert time.monotonic() < deadline, f"job {job} still is {facts['JobState']}\n{said}"
        time.sleep(0.3)
    return facts


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def stand_in_facts(output):
    return [json.loads(text) for text in re.findall(r"^facts (.*)$", output.read_text(), re.M)]


def check_two_nodes(folder):
    options = ["--nodes=2", "--tasks-per-node=2", "--gpus-per-node=4", STAND_IN]
    job, output = submit(folder, "two_nodes", options, ["--seconds=1"])
    assert wait(job, 60, output=output)["JobState"] == "COMPLETED", output.read_text()
    facts = stand_in_facts(output)
    configs = sorted((json.loads(f["TF_CONFIG"]) for f in facts), key=lambda c: c["task"]["index"])
    assert [config["task"]["index"] for config in configs] == [0, 1, 2, 3]
    [workers] = {tuple(config["cluster"]["worker"]) for config in configs}
    assert [worker.partition(":")[0] for worker in workers] == ["n0", "n0", "n1", "n1"]
    assert len({worker.partition(":")[2] for worker in workers}) == 4
    devices = sorted((f["SLURMD_NODENAME"], f["CUDA_VISIBLE_DEVICES"]) for f in facts)
    assert devices == [("n0", "0,1"), ("n0", "2,3"), ("n1", "0,1"), ("n1", "2,3")]
    return f"4 tasks on 2 nodes, {', '.join(workers)}, 2 GPUs each"


def check_failing_task(folder):
    arguments = ["--fail=1:3", "--deaf=0", "--seconds=300"]
    job, output = submit(folder, "failing", ["--nodes=2", STAND_IN], arguments)
    wait(job, 30, until=("RUNNING",))
    started = time.monotonic()
    facts = wait(job, 45, output=output)
    said = output.read_text()
    assert facts["JobState"] == "FAILED", facts["JobState"]
    assert re.search(r"task 1 \(n1:\d+\) ended with exit code 3", said), said
    assert facts["Restarts"] == "0"
    return f"the job ended {time.monotonic() - started:.0f} s after its start, task 1 named"


def check_cancelled(folder):
    job, output = submit(folder, "cancelled", ["--nodes=2", STAND_IN], ["--saves", "--seconds=300"])
    wait_for(lambda: output.exists() and len(stand_in_facts(output)) == 2, 30, "both tasks run")
    subprocess.run(["scancel", job], check=True)
    facts = wait(job, 30, output=output)
    time.sleep(3)
    assert job_facts(job)["JobState"] == facts["JobState"] == "CANCELLED", facts["JobState"]
    assert output.read_text().count("saved at SIGTERM") == 2, output.read_text()
    return "its state is saved, and it stays cancelled"


def check_sweep(folder):
    file, root = folder / "sweep.toml", folder / "sweep"
    file.write_text(
        'gin_file = "gin_configs/digits.gin"\nseeds = 2\ngrid.stub.rate = [1, 2]\n'
        "[[list]]\nname = 'good'\nstub.seconds = 2\n[[list]]\nname = 'bad'\nstub.fail = true\n"
    )
    command = [sys.executable, "-m", "launch.sweep", str(file), f"--root={root}", "--time=10"]
    command += ["--backend=slurm", "--max_running=4", "--module=tests.launch.stub_trainer"]

    def again(*options):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    assert "8 runs: 0 finished, 0 in the queue, 8 to do\nsubmitted job " in again()
    said = again()
    assert "8 runs: 0 finished, 8 in the queue, 0 to do\n" in said, said
    wait_for(lambda: "4 finished, 0 in the queue, 0 to do" in again(), 60, "the array has ended")
    said = again()
    assert "4 failed (--retry_failed runs them again):" in said, said
    assert "error: told to fail" in said, said
    (root / "allowed").touch()
    assert "4 finished, 0 in the queue, 4 to do\nsubmitted job " in again("--retry_failed")
    wait_for(lambda: "8 runs: 8 finished" in again(), 60, "the second array has ended")
    assert "1.50 ± 0.50" in again(), again()
    return "an array of 8, 4 of them failed and were retried, one table"


def check_preempted_training(folder):
    straight, straight_output = train(folder, "straight")
    facts = wait(straight, 300, output=straight_output)
    assert facts["JobState"] == "COMPLETED", straight_output.read_text()
    preempted, output = train(folder, "preempted")
    metrics = folder / "preempted" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") >= 3, 240, "3 reports")
    urgent = ["sbatch", "--parsable", "-p", "urgent", "-N2", "--exclusive", "--wrap=sleep 1"]
    subprocess.run([*urgent, "--output=/dev/null"], check=True, capture_output=True)
    wait(preempted, 60, until=("PENDING",), output=output)
    assert not (folder / "preempted" / "results.json").exists(), "it was done before"
    reports = metrics.read_text().count("\n")
    facts = wait(preempted, 300, output=output)
    assert facts["JobState"] == "COMPLETED", output.read_text()
    assert facts["Restarts"] == "1", facts["Restarts"]
    assert "stopped; put into the queue again" in output.read_text()
    lines, tensors = assert_same_run(folder / "straight", folder / "preempted")
    return (
        f"on {NODES} nodes, preempted after {reports} of {lines} reports, restarted once; all "
        f"{lines} reports and {tensors} tensors are those of the uninterrupted run"
    )


def train(folder, name):
    arguments = [
        "--gin_file=gin_configs/digits.gin",
        f"--workdir={folder / name}",
        *(
            f"--gin_bindings={binding}"
            for binding in (
                "run.strategy = @MultiWorker()",
                "run.tracker = None",
                "run.epochs = 400",
                "run.report_every = 20",
                "run.num_predict_samples = 4",
                "mlp.hidden = (32,)",
            )
        ),
    ]
    return submit(folder, name, [f"--nodes={NODES}", "--cpus-per-task=1"], arguments)


CHECKS = (
    check_two_nodes,
    check_failing_task,
    check_cancelled,
    check_sweep,
    check_preempted_training,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="install Debian's packages first")
    parser.add_argument("--only", default="", help="the checks whose name contains this")
    options = parser.parse_args()
    if options.install:
        slurm_cluster.install()
    reason = slurm_cluster.why_not()
    if reason is not None:
        print(f"NOT CHECKED against a real Slurm: {reason}")
        return SKIPPED
    slurm_cluster.enter_namespaces()
    with tempfile.TemporaryDirectory(prefix="slurm_check_") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        began = time.monotonic()
        slurm_cluster.start(folder)
        print(f"Slurm is ready after {time.monotonic() - began:.0f} s", flush=True)
        for check in CHECKS:
            if options.only not in check.__name__:
                continue
            began = time.monotonic()
            try:
                found = check(folder)
            except AssertionError as error:
                print(f"FAILED {check.__name__}: {error}\n{slurm_cluster.logs(folder)}")
                return 1
            print(f"{check.__name__}: {found} ({time.monotonic() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
