import io
import re

import numpy as np
import pytest

from bnn.tracking import Console

VALUES = {"epoch": 1, "loss": 0.51234, "nll": 0.25, "kl": 12345.6, "accuracy": np.float32(0.875)}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(run, stream, records=(), results=None, failed=False, total=30):
    console = Console(total_steps=total, stream=stream)
    console.start(run)
    for step, values in records:
        console.log(step, values)
    console.figure("learning_curve", run.workdir / "figures" / "learning_curve.png", 30)
    console.finish({} if results is None else results, failed)
    return stream.getvalue()


def test_plain_lines_elsewhere_one_for_each_call(run_info):
    output = show(run_info(), io.StringIO(), [(10, VALUES), (20, VALUES), (30, VALUES)])
    lines = [line for line in output.splitlines() if line.startswith("step")]
    assert len(lines) == 3
    pattern = r"step 10/30  loss 0\.5123  nll 0\.25  kl 12345\.6  accuracy 0\.875  eta 0:00:0\d"
    assert re.fullmatch(pattern, lines[0])
    assert lines[2].endswith("eta 0:00:00")
    assert "epoch" not in output


def test_no_escape_codes_elsewhere(run_info, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = show(run_info(), io.StringIO(), [(10, VALUES)], {"nll": 0.1, "nested": {"a": [1, 2]}})
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", output)


def test_a_dumb_terminal_gets_plain_lines(run_info, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in show(run_info(), Terminal(), [(10, VALUES)])


def test_results_as_plain_text(run_info):
    results = {
        "nll": 0.1,
        "accuracy": np.float64(0.97),
        "num_samples": 32,
        "versions": {"x": "1.0"},
    }
    output = show(run_info(), io.StringIO(), results=results)
    assert output.endswith(
        "results\n  nll          0.1\n  accuracy     0.97\n  num_samples  32\n  versions/x   1.0\n"
    )
    assert "figure learning_curve: " in output


def test_bar_on_a_terminal_and_results_as_a_table(run_info, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    results = {"accuracy": 0.97, "[kl]": 3.5}
    raw = show(run_info(), Terminal(), [(10, VALUES), (30, VALUES)], results)
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
    assert "━" in output
    assert "30/30 loss 0.5123 nll 0.25 kl 12345.6 accuracy 0.875 0:00:00" in output
    assert re.search(r"accuracy +0\.97", output)
    assert re.search(r"\[kl\] +3\.5", output)
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l")  # the cursor is shown again


def test_a_narrow_terminal_has_the_numbers_and_no_bar(run_info, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    raw = show(run_info(), Terminal(), [(30, VALUES)])
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
    assert "step 30/30 loss 0.5123 nll 0.25 kl 12345.6 accuracy 0.875 0:00:00" in output
    assert "━" not in output


def test_a_resumed_run_counts_from_its_step(run_info, monkeypatch):
    output = show(run_info(resumed_step=20), io.StringIO(), [(25, VALUES)])
    assert "resumed from step 20" in output
    monkeypatch.setenv("TERM", "xterm")
    assert "20/30" in show(run_info(resumed_step=20), Terminal(), [])


def test_units_are_said_before_the_numbers(run_info):
    output = show(run_info(units="nll in nats"), io.StringIO(), [(10, {"loss": 1.0})])
    assert output.splitlines()[1] == "units: nll in nats"
    assert "units: " not in show(run_info(), io.StringIO(), [(10, {"loss": 1.0})])


def test_failure_is_said(run_info):
    assert show(run_info(), io.StringIO(), failed=True).endswith("run not finished\n")
    assert "run not finished" in show(run_info(), Terminal(), failed=True)


def test_without_a_known_number_of_steps_there_is_no_time_left(run_info):
    line = show(run_info(), io.StringIO(), [(10, {"loss": 1.0})], total=None).splitlines()[1]
    assert line == "step 10  loss 1"
    show(run_info(), Terminal(), [(10, {"loss": 1.0})], total=None)


def test_regression_shows_rmse(run_info):
    assert "rmse 2.5" in show(run_info(), io.StringIO(), [(10, {"loss": 1.0, "rmse": 2.5})])


SEVERAL = {
    "loss": 1.0,
    "valid_nll": 2.5,
    "valid_load/nll": 1.5,
    "valid_load/rmse": 812.25,
    "valid_calls/rmse": 1.9,
    "valid_left/accuracy": 0.875,
    "valid_left/ece": 0.02,
}


def test_several_targets_have_their_own_quality_by_name_with_units(run_info):
    info = run_info(target_units={"load": "kWh"})
    line = show(info, io.StringIO(), [(10, SEVERAL)], total=None).splitlines()[1]
    qualities = "valid_rmse load 812.2 kWh, calls 1.9  valid_accuracy left 0.875"
    assert line == f"step 10  loss 1  valid_nll 2.5  {qualities}"
    joint = {"loss": 1.0, "rmse/load": 812.25, "rmse/m/s": 0.5}
    line = show(info, io.StringIO(), [(10, joint)], total=None).splitlines()[1]
    assert line == "step 10  loss 1  rmse load 812.2 kWh, m/s 0.5"


def test_of_many_targets_a_line_names_the_first_ones(run_info, monkeypatch):
    many = {"loss": 1.0, **{f"head/rmse/t{i}": float(i) for i in range(12)}}
    line = show(run_info(), io.StringIO(), [(10, many)], total=None).splitlines()[1]
    assert line == "step 10  loss 1  rmse head/t0 0, head/t1 1, head/t2 2, head/t3 3  and 8 more"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    raw = show(run_info(), Terminal(), [(10, SEVERAL)])
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)
    assert "valid_rmse load 812.2, calls 1.9 and 1 more" in output


def test_total_steps_must_be_positive():
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0; leave it None"):
        Console(total_steps=0)
