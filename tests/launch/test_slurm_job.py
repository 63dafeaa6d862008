import shutil
import subprocess

import pytest

from launch.slurm_job import SlurmJob, time_seconds


def lines_of(script):
    return {line.removeprefix("#SBATCH ") for line in script.splitlines() if "#SBATCH" in line}


def test_the_script_asks_slurm_for_what_a_preemptible_run_needs():
    job = SlurmJob(name="two", time="4:00:00", nodes=2, gpus_per_node=4, cpus_per_task=8)
    script = job.script(["--workdir=a b", "--gin_bindings=run.strategy = @MultiWorker()"])
    assert {
        "--job-name=two",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--gpus-per-node=4",
        "--cpus-per-task=8",
        "--time=4:00:00",
        "--signal=USR1@90",
        "--output=slurm-%j.out",
        "--open-mode=append",
        "--requeue",
    } <= lines_of(script)
    assert "srun --distribution=block --kill-on-bad-exit=1 --cpus-per-task=8 \\\n" in script
    assert "-m launch.slurm_task --gpus_per_task=4 --grace=60 " in script
    assert "'--workdir=a b' \\\n  '--gin_bindings=run.strategy = @MultiWorker()'\ncode=$?" in script


def test_a_cpu_job_asks_for_no_gpus_and_hides_them():
    script = SlurmJob(name="x", time="60").script([])
    assert "gpus-per-node" not in script
    assert "--gpus_per_task=0" in script


def test_gpus_are_divided_among_the_tasks_of_a_node():
    script = SlurmJob(name="x", time="60", tasks_per_node=2, gpus_per_node=4).script([])
    assert "--gpus_per_task=2" in script
    assert "--ntasks-per-node=2" in lines_of(script)


def test_array_extra_options_and_setup():
    job = SlurmJob(
        name="x", time="60", array="0-9%2", extra=["--qos=high"], setup=["module load cuda"]
    )
    script = job.script([])
    assert {"--array=0-9%2", "--qos=high", "--output=slurm-%A_%a.out"} <= lines_of(script)
    assert script.index("trap : TERM USR1") < script.index("module load cuda")
    assert script.index("module load cuda") < script.index("srun ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": "1h"}, "time '1h' is not one of Slurm's forms: minutes, minutes:seconds,"),
        ({"time": "2"}, r"time '2' must be longer than 150 s: signal 'USR1@90' comes up to 60 s"),
        ({"signal": "B:USR1@90"}, "signal 'B:USR1@90' must be USR1@seconds or TERM@seconds"),
        ({"signal": "USR2@90"}, "signal 'USR2@90' must be USR1@seconds or TERM@seconds"),
        ({"grace": 90.0}, "grace 90 s must be shorter than the lead of signal 'USR1@90'"),
        ({"gpus_per_node": 4, "tasks_per_node": 3}, "gpus_per_node 4 must be divisible by"),
        ({"array": "1-"}, "array '1-' must be like '0-9', '0,3,7' or '0-99%4'"),
        ({"extra": ["qos=high"]}, "sbatch option 'qos=high' must be one option, such as"),
        ({"extra": ["--a\nrm"]}, "must be one option"),
        ({"name": "a b"}, "job name 'a b' must not be empty or have spaces"),
    ],
)
def test_what_slurm_would_refuse_or_misread_is_refused(changes, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        SlurmJob(**{"name": "x", "time": "60", **changes})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("4:00:00", 14400),
        ("2-00", 172800),
        ("1-12:30", 131400),
        ("1-00:00:01", 86401),
        ("UNLIMITED", None),
    ],
)
def test_time_forms(text, seconds):
    assert time_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1-", "1:2:3:4", "1-2:3:4:5", "a", "1.5", "1h"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="is not one of Slurm's forms"):
        time_seconds(text)


@pytest.fixture
def run_script(tmp_path, fake_program):
    """Runs a job's script with stand-ins of Slurm's programs; code, output, calls of scontrol."""

    def run(srun_code, state="RUNNING", restarts="0", max_requeues=100):
        calls = tmp_path / "calls"
        calls.write_text("")
        fake_program("srun", f"exit {srun_code}")
        fake_program("scontrol", f'echo "$@" >> {calls}; echo "JobId=5 JobState={state} Reason=x"')
        script = SlurmJob(name="x", time="60", max_requeues=max_requeues).script(["--a=$HOME"])
        done = subprocess.run(
            [shutil.which("bash"), "-c", script],
            capture_output=True,
            text=True,
            env={
                **__import__("os").environ,
                "SLURM_JOB_ID": "5",
                "SLURM_JOB_NODELIST": "n0",
                "SLURM_RESTART_COUNT": restarts,
            },
        )
        return done.returncode, done.stdout, calls.read_text().splitlines()

    return run


def test_a_stopped_job_goes_into_the_queue_again(run_script):
    code, out, calls = run_script(42)
    assert code == 42
    assert "job 5, start 1, on n0" in out
    assert calls == ["show job --oneliner 5", "requeue 5"]


@pytest.mark.parametrize("code", [0, 1, 137])
def test_other_ends_are_final(run_script, code):
    assert run_script(code)[0::2] == (code, [])


def test_a_cancelled_job_stays_cancelled(run_script):
    assert run_script(42, state="CANCELLED")[2] == ["show job --oneliner 5"]


def test_a_job_is_not_put_into_the_queue_for_ever(run_script):
    _, out, calls = run_script(42, restarts="3", max_requeues=3)
    assert calls == []
    assert "put into the queue 3 times already: not again" in out
