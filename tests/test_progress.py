"""A bar on a terminal, one at a time, of what takes long; nothing elsewhere."""

import io
import os
import pty
import re
import select
import sys

import keras
import numpy as np
import pytest

import bnn
from bnn.formatting import progress, progress_bar
from bnn.tracking import Console, RunInfo


class Terminal:
    """Standard error as a terminal, and what has been written to it."""

    def __init__(self):
        self._ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "w")

    def written(self):
        self.stream.flush()
        text = ""
        while select.select([self._ours], [], [], 0.05)[0]:
            text += os.read(self._ours, 2**16).decode()
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)

    def close(self):
        self.stream.close()
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    one = Terminal()
    yield one
    one.close()


@pytest.fixture
def stderr(terminal, monkeypatch):
    """Call it in the test: before every phase of one the standard streams are set anew."""
    return lambda: monkeypatch.setattr(sys, "stderr", terminal.stream)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "_QUICK", -1.0)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])


def test_what_is_quick_has_no_bar(terminal, stderr):
    stderr()
    with progress_bar("predicting", 10) as advance:
        advance(5)
        advance(5)
    assert terminal.written() == ""


def test_what_takes_long_has_one_with_what_is_done(terminal, stderr, monkeypatch):
    stderr()
    with progress_bar("predicting", 10) as advance:
        advance(1)
        assert terminal.written() == ""
        monkeypatch.setattr(progress, "_QUICK", -1.0)  # as if two seconds had gone by
        advance(3)
        text = terminal.written()
    assert re.search(r"predicting .* 4/10", text)


@pytest.mark.usefixtures("at_once")
def test_there_is_none_elsewhere_nor_where_it_is_not_wanted(terminal, stderr, monkeypatch):
    stderr()
    with progress_bar("predicting", 10, shown=False) as advance:
        advance(1)
    assert terminal.written() == ""
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar("predicting", 10) as advance:
        advance(1)
    assert terminal.written() == ""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("predicting", 10) as advance:
        advance(1)
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_a_terminal_has_one_bar_and_is_free_after_an_error(terminal, stderr):
    stderr()

    def fail():
        with progress_bar("outer", 10) as outer:
            outer(1)
            with progress_bar("inner", 10) as inner:
                inner(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    text = terminal.written()
    assert "outer" in text
    assert "inner" not in text
    with progress_bar("next", 10) as advance:
        advance(1)
        assert "next" in terminal.written()


@pytest.mark.usefixtures("at_once")
def test_a_run_that_shows_its_steps_has_the_terminal(terminal, stderr, tmp_path):
    stderr()
    console = Console(total_steps=10, stream=terminal.stream)
    console.start(RunInfo(workdir=tmp_path, name="a"))
    with progress_bar("predicting", 10) as advance:
        advance(1)
    console.finish({})
    assert "predicting" not in terminal.written()
    with progress_bar("predicting", 10) as advance:
        advance(1)
        assert "predicting" in terminal.written()


@pytest.mark.usefixtures("at_once")
def test_predictions_in_several_passes_have_one(terminal, stderr, model):
    stderr()
    x = np.zeros((8, 3), np.float32)
    bnn.predict(model, x, 2, batch_size=4)
    assert re.search(r"predicting .*4/8", terminal.written())
    bnn.predict(model, x, 2, batch_size=4, progress=False)
    assert terminal.written() == ""
    for shown in (True, False):
        said = bnn.predictive(
            model, bnn.likelihoods.Categorical(), x, 2, batch_size=4, progress=shown
        )
        assert said.mean.shape == (8, 2)
        assert ("predicting" in terminal.written()) == shown
