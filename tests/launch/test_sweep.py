import json
import os
import signal
import time

import pytest

CORES = len(os.sched_getaffinity(0))
STUB = "--module=tests.launch.stub_trainer"
FILE = """
gin_file = "gin_configs/digits.gin"
seeds = 2
[grid]
stub.rate = [0.5, 10]
"""
ONE_FAILS = """
gin_file = "gin_configs/digits.gin"
[[list]]
name = "good"
stub.rate = 1
[[list]]
name = "bad"
stub.fail = true
"""


@pytest.fixture
def sweep(launch, tmp_path):
    """sweep(text, options…): code, output, errors of a sweep of the stub, in `tmp_path / "s"`."""

    def run(text, *options, **more):
        (tmp_path / "s.toml").write_text(text)
        root = f"--root={tmp_path / 's'}"
        return launch("sweep", tmp_path / "s.toml", STUB, root, *options, **more)

    return run


def starts(root):
    return {path.parent.name: path.read_text().splitlines() for path in root.glob("*/starts")}


def test_a_sweep_runs_every_point_once_and_tabulates(sweep, tmp_path):
    code, out, err = sweep(FILE)
    assert (code, err) == (0, "")
    assert "4 runs: 0 finished, 4 to do" in out
    assert "| 0.5  | 2     | 1.00 ± 0.50  |" in out
    assert "| 10   | 2     | 10.50 ± 0.50 |" in out
    assert sorted(starts(tmp_path / "s")) == [
        f"rate={rate},seed={seed}" for rate in ("0.5", "10") for seed in (0, 1)
    ]
    assert (tmp_path / "s" / "results.csv").read_text().count("\n") == 5
    code, out, _ = sweep(FILE)
    assert code == 0
    assert "4 runs: 4 finished, 0 to do" in out
    assert "| 0.5  | 2     | 1.00 ± 0.50  |" in out
    assert all(len(lines) == 1 for lines in starts(tmp_path / "s").values())


def test_points_that_are_added_run_alone(sweep, tmp_path):
    sweep(FILE)
    code, out, _ = sweep(FILE.replace("[0.5, 10]", "[0.5, 10, 20]"))
    assert code == 0
    assert "6 runs: 4 finished, 2 to do" in out
    assert len(starts(tmp_path / "s")) == 6


def test_failed_runs_are_listed_and_retried_on_request(sweep, tmp_path):
    code, out, _ = sweep(ONE_FAILS)
    assert code == 1
    assert "bad: ended with exit code 1: error: told to fail" in out
    assert "1 failed (--retry_failed runs them again):" in out
    assert "| good |" in out
    (tmp_path / "s" / "allowed").touch()
    code, out, _ = sweep(ONE_FAILS)
    assert code == 1
    assert "0 to do" in out
    code, out, _ = sweep(ONE_FAILS, "--retry_failed")
    assert code == 0
    assert "2 runs: 1 finished, 1 to do" in out
    assert {k: len(v) for k, v in starts(tmp_path / "s").items()} == {"good": 1, "bad": 2}


def test_a_killed_run_is_said_to_be_killed(sweep, tmp_path):
    """The last line of its log, an ordinary one, stood there as the reason."""
    code, out, _ = sweep(ONE_FAILS.replace("stub.fail", "stub.killed"))
    assert code == 1
    reason = "was killed by SIGKILL, as for want of memory; its log ends with: units: nats per"
    assert f"bad: {reason}" in out
    assert f"  bad: {reason}" in out.partition("1 failed")[2]


def test_runs_have_their_own_cores_and_one_group(sweep, tmp_path):
    sweep(FILE, f"--cores={CORES}")
    lines = [line for lines in starts(tmp_path / "s").values() for line in lines]
    used = {line.partition("]")[0] for line in lines}
    assert all(len(cores.split(",")) == 1 for cores in used)
    assert len(used) == min(CORES, 4)
    assert {line.partition("] ")[2] for line in lines} == {"s"}


def test_what_the_machine_has_not_is_refused(sweep):
    code, _, err = sweep(FILE, f"--cores={CORES + 1}")
    assert code == 2
    assert f"error: --cores={CORES + 1}, but only {CORES} may be used here" in err
    code, _, err = sweep(FILE, "--cores=1", "--cores_per_run=2")
    assert "error: --cores_per_run=2 exceeds the budget of 1 cores" in err
    code, _, err = sweep(FILE, "--gpus_per_run=2", CUDA_VISIBLE_DEVICES="0")
    assert "error: --gpus_per_run=2, but 1 GPUs can be seen here" in err


def test_a_changed_file_does_not_mix_with_older_runs(sweep):
    sweep(FILE)
    code, _, err = sweep('bindings = ["run.epochs = 2"]\n' + FILE)
    assert code == 2
    assert "was run with other arguments; name another folder with --root" in err
    assert "+ --gin_bindings=run.epochs = 2" in err


def test_an_interrupted_sweep_ends_cleanly_and_goes_on(start, sweep, tmp_path):
    (tmp_path / "s.toml").write_text(slow := FILE + "stub.seconds = [120]\n")
    root = tmp_path / "s"
    process = start("sweep", tmp_path / "s.toml", STUB, f"--root={root}", "--cores=1")
    deadline = time.monotonic() + 50
    while not starts(root):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "stopped" in out
    assert "4 not finished" in out
    assert len(starts(root)) == 1
    (root / "allowed").touch()
    code, out, _ = sweep(slow)
    assert code == 0
    assert "4 runs: 0 finished, 4 to do" in out
    assert sorted(map(len, starts(root).values())) == [1, 1, 1, 2]


def test_a_dry_run_prints_the_commands(sweep, tmp_path):
    code, out, _ = sweep(FILE, "--dry-run")
    assert code == 0
    assert out.count("python -m tests.launch.stub_trainer --gin_file=") == 4
    assert "'--gin_bindings=stub.rate = 0.5' '--gin_bindings=run.seed = 1'" in out
    assert not (tmp_path / "s").exists()


def test_a_sweep_on_slurm_is_one_array(sweep, fake_program, tmp_path):
    fake_program("sbatch", f"cat > {tmp_path}/script; echo 17")
    slurm = ["--backend=slurm", "--time=60", "--max_running=2"]
    code, out, err = sweep(FILE, *slurm)
    assert code == 1, err
    assert "submitted job 17; the same command shows the results" in out
    script = (tmp_path / "script").read_text()
    assert "#SBATCH --array=0-3%2\n" in script
    assert "export WANDB_RUN_GROUP=s\n" in script
    [file] = (tmp_path / "s" / "submitted").glob("*.json")
    assert f"--points={file}" in script
    names = [point["name"] for point in json.loads(file.read_text())]
    assert names[1] == "rate=0.5,seed=1"
    # One runs, one waits, one has finished, one has left the queue without.
    fake_program("squeue", "echo 17_0; echo 17_1; echo 16_2")
    folder = tmp_path / "s" / names[2]
    folder.mkdir()
    (folder / "results.json").write_text('{"test": {"nll": 1.0}}')
    code, out, _ = sweep(FILE, *slurm)
    assert "4 runs: 1 finished, 2 in the queue, 0 to do" in out
    assert "1 failed (--retry_failed runs them again):" in out
    assert "rate=10,seed=1" in out.partition("1 failed")[2]
    code, out, _ = sweep(FILE, *slurm, "--retry_failed")
    assert "1 to do" in out
    assert "#SBATCH --array=0-0%2\n" in (tmp_path / "script").read_text()


def test_a_dry_run_on_slurm_prints_the_script_and_the_elements(sweep, fake_program, tmp_path):
    fake_program("sbatch", f"touch {tmp_path}/submitted_it")
    code, out, err = sweep(FILE, "--backend=slurm", "--time=60", "--max_running=2", "--dry_run")
    assert code == 0, err
    assert out.startswith("#!")
    assert "#SBATCH --array=0-3%2\n" in out
    assert "-m launch.slurm_task" in out
    assert out.count("python -m tests.launch.stub_trainer --gin_file=") == 4
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "submitted_it").exists()


def test_slurm_that_is_not_there_is_said(sweep, tmp_path):
    code, _, err = sweep(FILE, "--backend=slurm")
    assert code == 2
    assert "error: a Slurm job needs a limit: add for example --time=4:00:00" in err
    code, _, err = sweep(FILE, "--backend=slurm", "--time=60", PATH=str(tmp_path))
    assert "error: sbatch is not on the PATH" in err


@pytest.mark.slow
def test_a_real_sweep(launch, tmp_path):
    file = tmp_path / "real.toml"
    file.write_text("""
    gin_file = "gin_configs/digits.gin"
    bindings = ["run.epochs = 2", "run.tracker = None", "mlp.hidden = (16,)"]
    seeds = 2
    [grid]
    VariationalInference.estimator = ["@LocalReparameterization()", "@Flipout()"]
    """)
    code, out, err = launch("sweep", file, f"--root={tmp_path / 'real'}", timeout=300)
    assert code == 0, out + err
    rows = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("| @")]
    assert [row[0].strip() for row in rows] == ["@LocalReparameterization()", "@Flipout()"]
    assert all(row[1].strip() == "2" and "±" in row[2] for row in rows)
