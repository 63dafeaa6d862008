"""What cannot work is refused before anything starts, with what would work."""

import os
import re
import socket

import pytest

from launch import capacity
from launch.cluster import check_addresses, check_hosts
from launch.command import check_arguments, check_data_dir
from launch.files import check_text, folder, open_log, write_text
from launch.slurm_job import SlurmJob, literal, plain_name
from launch.slurm_task import main, worker_addresses
from launch.sweep_file import read_sweep


def test_more_workers_than_fit(launch, tmp_path):
    """The number that would fit is in the message, and no worker has started."""
    touched = f"--touch={tmp_path / 'started'}"
    code, out, err = launch(
        "local", "--workers=20000", "--module=tests.launch.stand_in", "--", touched
    )
    assert code == 2
    assert out == ""
    [most] = re.findall(r"error: --workers=20000 does not fit on this machine; at most (\d+)", err)
    assert 1 <= int(most) < 20000
    assert "Start fewer, or use more nodes with launch.slurm." in err


def test_what_fits_is_what_is_free(monkeypatch):
    monkeypatch.setattr(capacity, "free_memory", lambda: 4 * 2**30)
    capacity.check_workers(6)
    with pytest.raises(
        ValueError,
        match=r"^--workers=2000 does not fit on this machine; at most 6 would \(4\.0 GB of free "
        r"memory, 0\.6 GB each\)\. Start fewer, or use more nodes with launch\.slurm\.$",
    ):
        capacity.check_workers(2000)
    monkeypatch.setattr(capacity, "free_memory", lambda: 0)
    capacity.check_workers(1)  # one is what every run needs
    monkeypatch.setattr(capacity, "free_memory", lambda: None)
    monkeypatch.setattr(capacity.resource, "getrlimit", lambda which: (256, 256))
    with pytest.raises(ValueError, match=r"at most 64 would \(256 open files, 3 each\)"):
        capacity.check_workers(65)


def test_free_memory_is_the_tightest_of_machine_and_container(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    monkeypatch.setattr(capacity, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "_CONTAINERS", [(tmp_path / "max", tmp_path / "now")])
    assert capacity.free_memory() == 2 * 2**20
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "now").write_text("5\n")
    assert capacity.free_memory() == 2 * 2**20
    (tmp_path / "max").write_text("1000\n")
    assert capacity.free_memory() == 995
    monkeypatch.setattr(capacity, "_MEMORY", tmp_path / "missing")
    monkeypatch.setattr(capacity, "_CONTAINERS", [])
    assert capacity.free_memory() is None


@pytest.mark.parametrize(
    ("addresses", "fault"),
    [
        (["a:1", "b:65536"], "worker 1 must have an address host:port with a port from 1 to 65535"),
        (["a:0"], "got 'a:0'; give a smaller --port."),
        (["a"], "got 'a'"),
        ([":7"], "got ':7'"),
        (["a:x"], "got 'a:x'"),
        (["a:1", "b:1", "a:1"], "workers 0 and 2 share the address a:1; give each a port of its"),
    ],
)
def test_addresses_at_which_nothing_can_listen(addresses, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        check_addresses(addresses)


def test_hosts_that_do_not_exist(monkeypatch):
    def lookup(host, port):
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == "later":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    check_hosts(["here:1", "later:2"])  # a name server that is down is not a wrong name
    with pytest.raises(
        ValueError,
        match=r"^worker 2 is to run on 'nowhere', which has no address from here \(.*not known\); "
        r"correct the name, or have it resolved on every node\.$",
    ):
        check_hosts(["here:1", "later:2", "nowhere:3"])


STEP = {
    "SLURM_STEP_NODELIST": "nowhere[0-1]",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}


def test_a_task_whose_peer_cannot_exist_ends_at_once(monkeypatch, capsys):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)

    def lookup(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert main(["--", "--workdir=x"]) == 2
    assert "error: worker 0 is to run on 'nowhere0', which has no" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"worker 1 must have an address .*got 'nowhere1:65536'"):
        worker_addresses(STEP, port=65535)


CONTROL = ["a\nb", "a\rb", "a\x1bb", "a\u2028b", "a\udcffb", ""]


@pytest.mark.parametrize("text", CONTROL)
def test_texts_that_cannot_be_written_down(text):
    with pytest.raises(ValueError, match=r"^--root must (hold no control|be no empty).*choose"):
        check_text("--root", text)
    with pytest.raises(ValueError, match=r"^output must "):
        SlurmJob(name="x", time="60", output=text)
    with pytest.raises(ValueError, match=r"^chdir must "):
        SlurmJob(name="x", time="60", chdir=text)
    with pytest.raises(ValueError, match=r"^--workdir must "):
        check_arguments("bnn.run", ["--gin_file=gin_configs/digits.gin", f"--workdir={text}"])
    with pytest.raises(ValueError, match=r"^(job name|sbatch option) "):
        SlurmJob(name=text, time="60", extra=[f"--mem={text}"])


def test_a_line_of_output_cannot_add_an_option(launch):
    code, out, err = launch(
        *("slurm", "--time=60", "--output=x\n#SBATCH --uid=0", "--dry_run", "--"),
        *("--gin_file=gin_configs/digits.gin", "--workdir=runs/x"),
    )
    assert code == 2
    assert out == ""
    assert "error: output must hold no control characters, and be UTF-8, got 'x\\n#SBATCH" in err
    with pytest.raises(ValueError, match="must be one option"):
        SlurmJob(name="x", time="60", extra=["--mem=1\r--uid=0"])


def test_folders_with_odd_names_work(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder("--root", "~/a b[c]é") == tmp_path / "a b[c]é"
    with pytest.raises(ValueError, match=r"^--root '~nobody-here/x' must name a known home"):
        folder("--root", "~nobody-here/x")
    code, out, err = launch(
        *("slurm", "--time=60", "--dry_run", "--"),
        *("--gin_file=gin_configs/digits.gin", "--workdir=runs/my first [run] é"),
    )
    assert (code, err) == (0, "")
    assert "#SBATCH --job-name=my_first_[run]\n" in out.replace("'", "")
    assert "'--workdir=runs/my first [run] é'" in out
    assert plain_name("  ") == "job"
    assert literal("/a%j/100%") == "/a%%j/100%%"


def test_a_home_in_the_root_of_a_sweep(launch, tmp_path):
    (tmp_path / "s.toml").write_text('gin_file = "gin_configs/digits.gin"\n')
    code, out, _ = launch(
        *("sweep", tmp_path / "s.toml", "--root=~/the sweep", "--dry_run"), HOME=str(tmp_path)
    )
    assert code == 0
    assert f"'--workdir={tmp_path}/the sweep/run'" in out
    code, _, err = launch("sweep", tmp_path / "s.toml", "--root=a\nb", "--dry_run")
    assert code == 2
    assert "error: --root must hold no control characters, and be UTF-8, got 'a\\nb'" in err


NAMES = [".", "..", ".hidden", "logs", "records", "submitted", "Results.csv", "summary.md", "wandb"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_something_else_in_a_sweep(tmp_path, name):
    file = tmp_path / "s.toml"
    item = f'[[list]]\nname = "{name}"\nrun.epochs = 1\n'
    file.write_text(f'gin_file = "gin_configs/digits.gin"\n{item}')
    with pytest.raises(
        ValueError,
        match=rf"^{re.escape(repr(name))} cannot be a run's folder: names that begin with a point, "
        r"and logs, records, .*give the item of \[\[list\]\] another name\.$",
    ):
        read_sweep(file).points(tmp_path)


def test_names_that_are_one_folder_on_some_disks(tmp_path):
    file = tmp_path / "s.toml"
    items = "".join(f'[[list]]\nname = "{n}"\nrun.epochs = {i}\n' for i, n in enumerate(("a", "A")))
    file.write_text(f'gin_file = "gin_configs/digits.gin"\n{items}')
    with pytest.raises(ValueError, match=r"^two runs have the names 'a' and 'A', which are one f"):
        read_sweep(file).points(tmp_path)


def test_a_folder_of_data_that_is_missing(launch, tmp_path):
    missing = tmp_path / "missing"
    check_data_dir([f"--data_dir={tmp_path}"])
    with pytest.raises(FileNotFoundError, match=r"^--data_dir=.*missing does not exist; create it"):
        check_data_dir([f"--data_dir={missing}"])
    arguments = ["--gin_file=gin_configs/digits.gin", "--workdir=x", f"--data_dir={missing}"]
    code, _, err = launch("local", "--", *arguments)
    assert code == 2
    assert f"error: --data_dir={missing} does not exist" in err
    (tmp_path / "s.toml").write_text(
        f'gin_file = "gin_configs/digits.gin"\narguments = ["--data_dir={missing}"]\n'
    )
    root = tmp_path / "root"
    code, _, err = launch("sweep", tmp_path / "s.toml", f"--root={root}")
    assert code == 2
    assert f"error: --data_dir={missing} does not exist" in err
    assert not root.exists()


def test_files_are_not_written_through_links(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")
    place = tmp_path / "x.txt"
    (tmp_path / f".x.txt.{os.getpid()}.tmp").symlink_to(foreign)
    place.symlink_to(foreign)
    write_text(place, "new")
    assert (place.read_text(), foreign.read_text()) == ("new", "mine")
    log = tmp_path / "x.log"
    log.symlink_to(foreign)
    with pytest.raises(OSError, match=r"^the log .*x\.log is a link to somebody else's file; rem"):
        open_log(log)
    assert foreign.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.glob(".*.tmp")) == [f".x.txt.{os.getpid()}.tmp"]
