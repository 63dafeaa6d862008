import fcntl
import json
import subprocess
import sys

import pytest

from bnn.training import FolderInUseError, RunFolder, write_json, write_text

CONFIG = "run.epochs = 3\nrun.seed = 0\n"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    yield folder
    folder.close()


def test_a_new_folder_is_created_and_holds_the_configuration(folder):
    folder.open(CONFIG)
    assert folder.config.read_text() == CONFIG
    assert sorted(p.name for p in folder.path.iterdir()) == [".lock", "config.gin"]
    assert folder.finished() is None


def test_the_same_run_may_come_back(folder):
    folder.open(CONFIG)
    folder.metrics.write_text("{}\n")
    folder.close()
    folder.open(CONFIG)
    assert folder.metrics.read_text() == "{}\n"


def test_an_empty_folder_is_taken(folder):
    folder.path.mkdir(parents=True)
    folder.open(CONFIG)
    assert folder.config.exists()


def test_results_of_a_finished_run(folder):
    folder.open(CONFIG)
    write_json(folder.results, {"test": {"nll": 0.5}})
    assert folder.finished() == {"test": {"nll": 0.5}}


def test_another_run_is_refused_with_the_difference(folder):
    folder.open(CONFIG)
    folder.close()
    with pytest.raises(FolderInUseError) as caught:
        folder.open(CONFIG.replace("3", "4"))
    message = str(caught.value)
    assert f"workdir {folder.path} holds another run; name a new folder with --workdir" in message
    assert "-run.epochs = 3\n+run.epochs = 4" in message
    assert "run.seed" not in message
    assert folder.config.read_text() == CONFIG


def test_foreign_files_are_refused_and_named(folder):
    folder.path.mkdir(parents=True)
    for name in ("thesis.tex", "notes.md"):
        (folder.path / name).write_text("mine")
    with pytest.raises(FolderInUseError, match=r"holds no run .*\(it has notes.md, thesis.tex\)"):
        folder.open(CONFIG)
    assert not folder.config.exists()
    assert (folder.path / "thesis.tex").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderInUseError, match=r"file is a file; name a folder"):
        RunFolder(tmp_path / "file").open(CONFIG)


_HOLDS = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_that_another_process_writes_to_is_refused(folder):
    folder.open(CONFIG)
    folder.close()
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(folder.path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(FolderInUseError, match=r"in use by another process; wait for it"):
            folder.open(CONFIG)
        process.stdin.close()
        process.wait()
    folder.open(CONFIG)


def test_closing_releases_the_lock(folder):
    folder.open(CONFIG)
    with (folder.path / ".lock").open("w") as lock:
        with pytest.raises(OSError, match="unavailable"):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.close()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder.close()  # again, without effect


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file.txt"
    write_text(path, "first")
    write_text(path, "second")
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("bnn.training.folder.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "third")
    assert path.read_text() == "second"


def test_json_is_strict(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"nll": 0.1 + 0.2, "name": "digits"})
    assert json.loads(path.read_text()) == {"nll": 0.1 + 0.2, "name": "digits"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"nll": float("nan")})
    assert json.loads(path.read_text())["name"] == "digits"
