"""An error of the system, with a remedy that fits the file it names."""

import errno
from pathlib import Path

import pytest

from launch import sweep, tune
from launch.files import in_words

ROOT = Path("runs/digits")


@pytest.mark.parametrize(
    ("number", "place", "said"),
    [
        (
            errno.EACCES,
            "runs/digits/logs/a.log",
            r"a\.log cannot be used .*; name another --root\.$",
        ),
        (errno.EACCES, "runs", r"^runs cannot be used \(.*\); name another --root\.$"),
        (errno.ENOSPC, "runs/digits/a.json", r"; free some space, or name another --root\.$"),
        (
            errno.EACCES,
            "sweep.toml",
            r"^sweep\.toml cannot .*; get the right to use it, or name an",
        ),
        (errno.EISDIR, "data/sweep.toml", r"; name a file\.$"),
        (errno.ENOENT, b"python-of-nobody", r"^python-of-nobody cannot .*; correct the path\.$"),
        (errno.EMFILE, "/data/x", r"; allow more open files \(ulimit -n\)\.$"),
    ],
)
def test_the_remedy_is_that_of_the_file(number, place, said):
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(in_words(OSError(number, "what the system says", place), ROOT))


def test_words_of_our_own_stay_as_they_are():
    assert in_words(FileNotFoundError("no such sweep; correct it."), ROOT).startswith("no such sw")
    assert in_words(ValueError("count must be 1."), ROOT) == "count must be 1."


@pytest.mark.parametrize(
    ("tool", "grid"),
    [(sweep, "run.seed = [0]"), (tune, "stub.x = {low = 0.001, high = 10.0}")],
    ids=["sweep", "tune"],
)
def test_a_file_in_the_place_of_the_root(tool, grid, tmp_path, capsys):
    if tool is tune:
        pytest.importorskip("optuna", reason="needs Optuna: pip install 'bnn[tune]'")
    file = tmp_path / "a.toml"
    file.write_text(f'gin_file = "gin_configs/digits.gin"\n[grid]\n{grid}\n')
    (tmp_path / "taken").write_text("mine")
    assert tool.main([str(file), f"--root={tmp_path / 'taken' / 'runs'}"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("name another --root.")
    assert (tmp_path / "taken").read_text() == "mine"
