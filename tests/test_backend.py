"""Another backend of Keras is refused at the import, by name, wherever it was chosen."""

import json
import os
import subprocess
import sys

import pytest

NEEDED = "ImportError: bnn needs the TensorFlow backend, set KERAS_BACKEND=tensorflow"
OTHER = """
import sys, types
keras = types.ModuleType("keras")
keras.config = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = keras
"""
ABSENT = """
import sys
sys.modules["torch"] = None  # as where it is not installed
"""


def imported(before="", **environment):
    """(exit code, last line of errors) of `import bnn` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    code = f"{before}\nimport bnn"
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True
    )
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


@pytest.mark.parametrize("backend", ["torch", "jax", "none_of_them"])
def test_the_variable(backend):
    """Before Keras looks for the backend's library, which need not be there."""
    before = "import sys\nsys.modules['keras'] = None"
    code, line = imported(before, KERAS_BACKEND=backend)
    assert (code, line) == (1, f"{NEEDED}; got KERAS_BACKEND={backend!r}.")


def test_a_keras_that_is_imported_already():
    code, line = imported(OTHER)
    assert (code, line) == (1, f"{NEEDED}, before Keras is imported; its backend is 'jax'.")


def test_kerass_own_configuration(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    code, line = imported(ABSENT, KERAS_HOME=str(tmp_path))
    assert (code, line) == (1, f"{NEEDED}; Keras's own configuration asks for 'torch'.")


@pytest.mark.parametrize("backend", ["", "tensorflow"])
def test_tensorflow_and_the_default(tmp_path, backend):
    code, _ = imported(KERAS_BACKEND=backend, KERAS_HOME=str(tmp_path))
    assert code == 0
