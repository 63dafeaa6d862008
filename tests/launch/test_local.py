import json
import os
import re
import signal
import time

import pytest

STAND_IN = "--module=tests.launch.stand_in"
NOTE = "launch: the workers' "  # which network they are in, tests/launch/test_private_network.py


def facts(out):
    """What each worker reported, by its name."""
    found = {}
    for line in out.splitlines():
        name, mark, text = line.partition("] facts ")
        if mark:
            found[name.removeprefix("[")] = json.loads(text)
    return found


def rest(err):
    """What the launcher said after the line that begins every group."""
    note, _, others = err.partition("\n")
    assert note.startswith(NOTE), err
    return others


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def read_until(process, count, text="facts"):
    """The first lines of standard output, until so many have the text."""
    lines = []
    while sum(text in line for line in lines) < count:
        line = process.stdout.readline()
        assert line, "the launcher ended"
        lines.append(line)
    return "".join(lines)


def test_workers_agree_on_one_cluster(launch):
    code, out, err = launch("local", "--workers=3", STAND_IN, "--", "--seconds=0.2")
    assert (code, rest(err)) == (0, "")
    workers = facts(out)
    assert sorted(workers) == ["worker 0", "worker 1", "worker 2"]
    configs = [json.loads(workers[f"worker {i}"]["TF_CONFIG"]) for i in range(3)]
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": i} for i in range(3)
    ]
    [addresses] = {tuple(config["cluster"]["worker"]) for config in configs}
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_one_worker_writes_without_a_prefix(launch):
    code, out, _ = launch("local", STAND_IN, "--", "--seconds=0")
    assert code == 0
    assert out.startswith("facts ")


def test_gpus_are_divided(launch):
    two = ["--workers=2", STAND_IN, "--gpus-per-worker=2", "--"]
    code, out, _ = launch("local", *two, CUDA_VISIBLE_DEVICES="3,4,5,6")
    assert code == 0
    shares = [facts(out)[f"worker {i}"]["CUDA_VISIBLE_DEVICES"] for i in range(2)]
    assert shares == ["3,4", "5,6"]
    code, _, err = launch("local", *two, CUDA_VISIBLE_DEVICES="3")
    assert code == 2
    assert "error: worker 0 needs GPUs 0 to 1, but only 1 can be seen here (3)" in err


@pytest.mark.parametrize(
    ("ends", "words", "code"),
    [("3", "ended with exit code 3", 3), ("-9", "was killed by SIGKILL", 137), ("42", "42", 42)],
)
def test_one_failure_ends_the_group_and_is_named(launch, ends, words, code):
    started = time.monotonic()
    got, out, err = launch(
        "local", "--workers=3", STAND_IN, "--", f"--fail=1:{ends}", "--saves", "--seconds=60"
    )
    assert got == code
    assert rest(err).startswith("launch: worker 1 ")
    assert words in rest(err).splitlines()[0]
    assert "launch: ending worker 0, worker 2" in err
    assert out.count("saved at SIGTERM") == 2
    assert time.monotonic() - started < 45, "sooner than the 60 s of their sleep or grace"


def test_workers_that_do_not_answer_are_killed(launch):
    code, out, err = launch(
        "local", "--workers=2", STAND_IN, "--grace=0.5", "--", "--fail=1:3", "--deaf=0",
        "--seconds=60",
    )  # fmt: skip
    assert code == 3
    assert "launch: worker 0 did not end in 0.5 s and is killed" in err
    assert gone(facts(out)["worker 0"]["pid"])


def test_a_worker_that_never_joins_ends_the_group(launch):
    code, out, err = launch(
        "local", "--workers=2", STAND_IN, "--start-timeout=4", "--grace=0.5", "--",
        "--absent=1", "--deaf=0", "--seconds=60",
    )  # fmt: skip
    assert code == 1
    assert "launch: worker 1 does not listen at 127.0.0.1:" in err
    assert "it never joined the group, and is killed" in err
    assert "launch: ending worker 0" in err
    assert all(gone(worker["pid"]) for worker in facts(out).values())


def test_workers_that_joined_may_take_their_time(launch):
    code, _, err = launch(
        "local", "--workers=2", STAND_IN, "--start-timeout=4", "--", "--seconds=5.5"
    )
    assert (code, rest(err)) == (0, "")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 42), (signal.SIGUSR1, 42), (signal.SIGINT, 130)]
)
def test_signals_reach_all_workers(start, number, code):
    process = start("local", "--workers=2", STAND_IN, "--", "--saves", "--seconds=60")
    read_until(process, 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=50)
    assert process.returncode == code
    assert out.count(f"saved at {number.name}") == 2
    assert f"launch: {number.name}: passed on to worker 0, worker 1" in err


def test_a_signal_kills_workers_that_hang(start):
    process = start("local", "--workers=2", STAND_IN, "--grace=0.5", "--", "--deaf=all",
                    "--seconds=60")  # fmt: skip
    pids = [worker["pid"] for worker in facts(read_until(process, 2)).values()]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 42
    assert "did not end in 0.5 s and is killed" in err
    assert all(map(gone, pids))


def test_a_second_interrupt_does_not_wait(start):
    process = start("local", STAND_IN, "--grace=60", "--", "--seconds=60", "--deaf=0")
    read_until(process, 1)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=50)
    assert process.returncode == 130


def test_a_killed_launcher_takes_its_workers_with_it(start):
    process = start("local", "--workers=2", STAND_IN, "--", "--deaf=all", "--seconds=60")
    pids = [worker["pid"] for worker in facts(read_until(process, 2)).values()]
    process.kill()
    deadline = time.monotonic() + 50
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_restarts_until_the_group_succeeds(launch, tmp_path):
    attempts = f"--attempts={tmp_path / 'count'}:3"
    code, out, err = launch("local", "--workers=2", "--restarts=3", STAND_IN, "--", attempts)
    assert code == 0
    assert "launch: restart 2 of 3, from the last checkpoint" in err
    assert "restart 3" not in err
    configs = set(re.findall(r"127.0.0.1:\d+", out))
    assert len(configs) == 6, "every start of the two workers takes new ports"


def test_restarts_end(launch):
    code, _, err = launch("local", "--restarts=1", STAND_IN, "--", "--fail=0:5")
    assert code == 5
    assert err.count("ended with exit code 5") == 2


def test_a_signal_ends_the_restarts(start):
    process = start("local", "--restarts=5", STAND_IN, "--", "--saves", "--seconds=60")
    read_until(process, 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 42
    assert "restart" not in err


def test_wrong_arguments_start_nothing(launch):
    code, out, err = launch("local", "--workers=2", "--", "--gin_file=none.gin", "--workdir=x")
    assert (code, out) == (2, "")
    assert "error: --gin_file=none.gin does not exist" in err
