import json
import math

import numpy as np
import pytest

from bnn.tracking import Jsonl, read_jsonl


def write(run, records, results=None):
    tracker = Jsonl()
    tracker.start(run)
    for step, values in records:
        tracker.log(step, values)
    tracker.finish(results or {})
    return run.workdir / "metrics.jsonl"


def test_one_object_a_line_step_first_and_keys_in_order(run_info):
    path = write(run_info(), [(10, {"loss": 0.5, "kl": 3.0, "epoch": 1}), (20, {"loss": 0.25})])
    assert path.read_text() == (
        '{"step": 10, "loss": 0.5, "kl": 3.0, "epoch": 1}\n{"step": 20, "loss": 0.25}\n'
    )


def test_numbers_read_back_to_the_same_bits(run_info):
    values = {
        "python": 0.1 + 0.2,
        "float32": np.float32(0.1),
        "array": np.array(1e-300),
        "int": np.int64(7),
    }
    (record,) = read_jsonl(write(run_info(), [(1, values)]))
    assert record == {"step": 1, **{k: v.item() if k != "python" else v for k, v in values.items()}}
    assert isinstance(record["int"], int)


def test_non_finite_values_are_strings_in_strict_json_and_floats_again_when_read(run_info):
    values = {"a": math.nan, "b": math.inf, "c": np.float32(-np.inf)}
    path = write(run_info(), [(1, values)])

    def refuse(constant):
        raise AssertionError(f"not strict JSON: {constant}")

    assert json.loads(path.read_text(), parse_constant=refuse) == {
        "step": 1,
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
    }
    (record,) = read_jsonl(path)
    assert math.isnan(record["a"])
    assert (record["b"], record["c"]) == (math.inf, -math.inf)


def test_every_line_is_on_the_file_as_soon_as_it_is_logged(run_info):
    run = run_info()
    tracker = Jsonl()
    tracker.start(run)
    for step in range(3):
        tracker.log(step, {"loss": 1.0})
        assert len(read_jsonl(run.workdir / "metrics.jsonl")) == step + 1
    tracker.finish({})


def test_existing_metrics_are_not_overwritten(run_info):
    path = write(run_info(), [(1, {"loss": 1.0})])
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"metrics\.jsonl exists; resume that run or choose"):
        Jsonl().start(run_info())
    assert path.read_bytes() == before


@pytest.mark.parametrize("tail", [b"", b'{"step": 30, "lo', b'{"step": 40, "loss": 1.0}', b"\0\0"])
def test_resuming_gives_the_file_of_an_uninterrupted_run(run_info, tail):
    records = [(step, {"loss": 1 / step, "kl": math.nan}) for step in (10, 20, 30, 40)]
    path = write(run_info(), records)
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]) + tail)
    write(run_info(resumed_step=20), records[2:])
    assert path.read_bytes() == whole
    assert [p.name for p in path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_whole_last_line_without_its_end_is_kept(run_info):
    path = write(run_info(), [(10, {"loss": 1.0}), (20, {"loss": 2.0})])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    write(run_info(resumed_step=20), [(30, {"loss": 3.0})])
    assert [record["step"] for record in read_jsonl(path)] == [10, 20, 30]


def test_resuming_from_step_0_starts_the_file_when_nothing_was_logged(run_info):
    assert len(read_jsonl(write(run_info(resumed_step=0), [(1, {"loss": 1.0})]))) == 1


def test_resuming_without_the_metrics_says_what_is_missing(run_info):
    with pytest.raises(
        FileNotFoundError, match=r"resumed from step 20, but .* is missing; restore"
    ):
        Jsonl().start(run_info(resumed_step=20))


def test_a_damaged_line_is_named(run_info):
    path = write(run_info(), [(1, {"a": 1.0}), (2, {"a": 1.0}), (3, {"a": 1.0})])
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (b"garbage\n", b"[1]\n", b'{"loss": 1.0}\n', b'{"step": "x"}\n'):
        path.write_bytes(lines[0] + damaged + lines[2])
        with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2 must be a JSON object"):
            read_jsonl(path)
        with pytest.raises(ValueError, match="line 2"):
            Jsonl().start(run_info(resumed_step=3))
    path.write_bytes(lines[0] + b"garbage")
    assert read_jsonl(path) == [{"step": 1, "a": 1.0}]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (
            {"kl": np.zeros(3)},
            TypeError,
            r"values\['kl'\] must be one real .* array of shape \[3\]",
        ),
        (
            {"kl": "1.0"},
            TypeError,
            r"values\['kl'\] must be one real number, got '1.0' of type str",
        ),
        ({"kl": None}, TypeError, r"values\['kl'\] must be one real number, got None"),
        ({1: 1.0}, TypeError, "values must have strings as keys, got 1"),
        ({"step": 1}, ValueError, "values must not hold 'step'"),
    ],
)
def test_unfit_values_are_refused_and_leave_no_line(run_info, values, error, message):
    run = run_info()
    tracker = Jsonl()
    tracker.start(run)
    with pytest.raises(error, match=message):
        tracker.log(1, values)
    tracker.finish({})
    assert read_jsonl(run.workdir / "metrics.jsonl") == []


def test_logging_outside_start_and_finish_is_an_error(run_info):
    tracker = Jsonl()
    with pytest.raises(RuntimeError, match=r"call start\(run\) first"):
        tracker.log(1, {})
    tracker.finish({})
