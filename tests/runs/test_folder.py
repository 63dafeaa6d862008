import fcntl
import json
import subprocess
import sys

import pytest

from bnn.runs.folder import FolderInUseError, Identity, RunFolder
from bnn.training import write_json, write_text

TEXT = "run.epochs = 3\nrun.seed = 0\n"
DATA = {"name": "digits", "x_train": {"digest": "0"}}
CONFIG = Identity(TEXT, {}, DATA)


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    yield folder
    folder.close()


def test_a_new_folder_is_created_and_holds_the_configuration(folder):
    folder.open(CONFIG)
    assert folder.config.read_text() == TEXT
    assert sorted(p.name for p in folder.path.iterdir()) == [".lock", "config.gin", "data.json"]
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
        folder.open(Identity(TEXT.replace("3", "4"), {}, DATA))
    message = str(caught.value)
    assert f"workdir {folder.path} holds another run; name a new folder with --workdir" in message
    assert "-run.epochs = 3\n+run.epochs = 4" in message
    assert "run.seed" not in message
    assert folder.config.read_text() == TEXT


def test_foreign_files_are_refused_and_named(folder):
    folder.path.mkdir(parents=True)
    for name in ("thesis.tex", "notes.md"):
        (folder.path / name).write_text("mine")
    with pytest.raises(FolderInUseError, match=r"holds no run .*\(it has notes.md, thesis.tex\)"):
        folder.open(CONFIG)
    assert {p.name: p.read_text() for p in folder.path.iterdir()} == {
        "thesis.tex": "mine",
        "notes.md": "mine",
    }


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

    monkeypatch.setattr("bnn.training.files.os.fsync", fail)
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


# --- Other people's files ---------------------------------------------------------------------


def test_a_lock_that_is_a_link_is_refused_and_its_target_untouched(folder, tmp_path):
    target = tmp_path / "thesis.tex"
    target.write_text("mine")
    folder.path.mkdir(parents=True)
    (folder.path / ".lock").symlink_to(target)
    with pytest.raises(FolderInUseError, match=r"cannot be locked: .*\.lock is not a file of its"):
        folder.open(CONFIG)
    assert target.read_text() == "mine"
    assert [p.name for p in folder.path.iterdir()] == [".lock"]


def test_a_lock_of_somebody_else_keeps_its_content(folder):
    folder.path.mkdir(parents=True)
    (folder.path / ".lock").write_text("pid 7")
    folder.open(CONFIG)
    assert (folder.path / ".lock").read_text() == "pid 7"


FOREIGN = ["notes.tmp", ".swap.tmp", "results.json.7.tmp", "figures/plot.tmp", "figures/.x.tmp"]
OWN = [
    *(".config.gin.7.tmp", ".results.json.123.tmp", ".data.json.7.tmp", "metrics.jsonl.tmp"),
    *("figures/reliability.png.tmp", "predictions/.test.npz.7.tmp"),
]


def test_only_its_own_half_written_files_are_swept(folder):
    folder.open(CONFIG)
    folder.close()
    for name in (*FOREIGN, *OWN):
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_text("half")
    folder.open(CONFIG)
    assert all((folder.path / name).exists() for name in FOREIGN)
    assert not any((folder.path / name).exists() for name in OWN)


def test_a_half_written_file_that_is_a_link_is_left_alone(folder, tmp_path):
    target = tmp_path / "thesis.tex"
    target.write_text("mine")
    folder.open(CONFIG)
    folder.close()
    (folder.path / ".results.json.7.tmp").symlink_to(target)
    folder.open(CONFIG)
    assert target.read_text() == "mine"


def test_a_file_is_never_written_through_a_link(tmp_path, monkeypatch):
    target = tmp_path / "thesis.tex"
    target.write_text("mine")
    monkeypatch.setattr("bnn.training.files.os.getpid", lambda: 7)
    (tmp_path / ".results.json.7.tmp").symlink_to(target)
    write_text(tmp_path / "results.json", "{}")
    assert target.read_text() == "mine"
    assert (tmp_path / "results.json").read_text() == "{}"


# --- What a run is ---------------------------------------------------------------------------


def test_other_arguments_are_refused_with_the_difference(folder):
    first = Identity(TEXT, {"epochs": 3, "model": {"function": "a.b"}}, DATA)
    folder.open(first)
    folder.close()
    folder.open(first)
    folder.close()
    with pytest.raises(FolderInUseError) as caught:
        folder.open(Identity(TEXT, {"epochs": 4, "model": {"function": "a.c"}}, DATA))
    message = str(caught.value)
    assert "-epochs: 3\n+epochs: 4" in message
    assert '- "function": "a.b"\n+ "function": "a.c"' in message


def test_other_data_are_refused_by_the_part_that_changed(folder):
    folder.open(CONFIG)
    folder.close()
    with pytest.raises(
        FolderInUseError, match=r"x_train of data set 'digits' changed; restore the"
    ):
        folder.open(Identity(TEXT, {}, DATA | {"x_train": {"digest": "1"}}))


def test_what_may_change_is_left_out_with_the_lines_below_it():
    folder = RunFolder("anywhere", ("run.tracker ", "WandB."))
    text = "run.epochs = 3\nrun.tracker = \\\n    [@WandB(),\n     @TensorBoard()]\nrun.seed = 1\n"
    assert folder.same_run(text) == "run.epochs = 3\nrun.seed = 1"


def test_a_claim_that_was_cut_off_is_completed(folder):
    folder.path.mkdir(parents=True)
    write_text(folder.config, TEXT)  # and killed
    folder.open(Identity(TEXT, {"epochs": 3}, DATA))
    assert json.loads(folder.arguments.read_text()) == {"epochs": 3}


@pytest.mark.parametrize("content", ["", "{", "[1]", "\udcff"])
def test_damaged_results_are_named_with_a_remedy(folder, content):
    folder.open(CONFIG)
    folder.results.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"results\.json is damaged .*delete it and start the run"):
        folder.finished()


def test_what_a_deletion_beside_a_save_leaves_is_the_runs_own(folder):
    """`rm -r` does not wait for the save: what it misses stays."""
    folder.open(CONFIG)
    (folder.path / "wandb").mkdir()
    folder.keep(CONFIG)
    folder.config.unlink()
    for left in ("checkpoints", "wandb"):
        (folder.path / left).mkdir(exist_ok=True)
    folder.keep(CONFIG)
    assert folder.config.exists()
    folder.config.unlink()
    (folder.path / "thesis.tex").touch()
    with pytest.raises(FolderInUseError, match=r"holds no run of this program .it has thesis.tex"):
        folder.keep(CONFIG)
    assert not folder.config.exists()


def test_a_folder_that_was_deleted_is_claimed_again(folder, caplog):
    import shutil

    folder.open(CONFIG)
    shutil.rmtree(folder.path)
    folder.keep(CONFIG)
    assert "was deleted while the run trained" in caplog.text
    folder.close()
    folder.open(CONFIG)
    assert folder.metrics.exists()
