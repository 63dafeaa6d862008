"""`python -m bnn`, and what the commands and the import write before their own first line."""

import os
import subprocess
import sys

import pytest

from bnn.__main__ import COMMANDS, listing


def run(*words, folder=None, **environ):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment, **environ},
    )


def test_the_commands_are_listed_with_what_they_do():
    text = listing()
    assert "python -m bnn.run       Trains and evaluates the run that gin files describe." in text
    for command in COMMANDS:
        [line] = [
            line for line in text.splitlines() if f"-m {command} " in line and "--" not in line
        ]
        assert line.endswith("."), line


@pytest.mark.parametrize("words", [["-m", "bnn"], ["-m", "bnn", "--help"], ["-mbnn"]])
def test_the_list_of_commands_imports_neither_tensorflow_nor_keras(words):
    done = run("-X", "importtime", *words)
    assert (done.returncode, done.stdout) == (0, f"{listing()}\n")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bnn.__main__" in imported
    assert not {"tensorflow", "keras", "numpy"} & imported


@pytest.mark.parametrize("words", [["-c", "import bnn", "-m", "bnn"], ["-m", "bnn.run", "bnn"]])
def test_nothing_else_ends_with_the_list_of_commands(words):
    """Such as `pytest -m bnn`; the refused backend stands for the rest of the import."""
    done = run(*words, KERAS_BACKEND="jax")
    assert done.returncode == 1
    assert (done.stdout, "bnn needs the TensorFlow backend" in done.stderr) == ("", True)


@pytest.mark.slow
def test_nothing_of_tensorflow_is_written_before_our_own_lines(tmp_path):
    """Nor where the level is set already; an error of the import is shown whole."""
    done = run("-c", "import bnn; print(bnn.layers.Dense.__name__)")
    assert (done.stdout, done.stderr) == ("Dense\n", "")
    done = run("-m", "bnn.replay", "--workdir=nowhere", "--step=1", folder=tmp_path)
    assert done.stderr.startswith("error: "), done.stderr
    done = run("-m", "bnn.apply", "--workdir=nowhere", "--inputs=x", "--output=y", folder=tmp_path)
    assert done.stderr.startswith("error: "), done.stderr
    done = run("-m", "bnn.report", "nowhere", "--output=out", folder=tmp_path)
    assert done.stderr.startswith("error: "), done.stderr
    done = run("-m", "bnn.run", "--gin_file=digits.gin", "--workdir=x", "--gin_bindings=run.e=1")
    assert done.stderr.startswith("error: "), done.stderr
    done = run("-c", "import bnn", TF_CPP_MIN_LOG_LEVEL="0")
    assert "cpu_feature_guard" in done.stderr or "cudart_stub" in done.stderr
    (tmp_path / "keras.py").write_text("import os\nos.write(2, b'I0000 00: x\\n')\nraise OSError\n")
    done = run("-c", "import bnn", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    assert "I0000 00: x\nTraceback" in done.stderr
