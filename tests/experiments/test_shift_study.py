import json

import numpy as np
import pytest

from experiments.shift import run
from experiments.shift.shifts import SHIFTS, rotate, translate
from experiments.shift.tables import foreign_table, shift_table


def test_no_shift_changes_nothing(rng):
    images = rng.random((3, 28, 28, 1)).astype(np.float32)
    for shift, amounts in SHIFTS.values():
        np.testing.assert_array_equal(shift(images, amounts[0]), images)


def test_quarter_turns_are_exact_and_counter_clockwise(rng):
    images = rng.random((2, 28, 28, 1))
    for quarters in (1, 2, 3):
        turned = np.rot90(images, quarters, axes=(1, 2))
        np.testing.assert_allclose(rotate(images, 90 * quarters), turned, atol=1e-9)


def test_a_turn_moves_a_spot_by_its_angle():
    image = np.zeros((1, 29, 29, 1))
    image[0, 14, 22] = 1.0  # eight pixels to the right of the centre
    turned = rotate(image, 30)[0, :, :, 0]
    row, column = np.unravel_index(turned.argmax(), turned.shape)
    assert (row, column) == (14 - 4, 14 + 7)  # 8 sin 30° up, 8 cos 30° = 6.9 to the right


def test_translations_roll_to_the_right(rng):
    images = rng.random((2, 28, 28, 1))
    moved = translate(images, 5)
    np.testing.assert_array_equal(moved[:, :, 5:], images[:, :, :-5])
    np.testing.assert_array_equal(moved[:, :, :5], images[:, :, -5:])


def result(auroc, accuracy, num_samples=16):
    scores = {"auroc": auroc, "aupr_out": 0.5, "aupr_in": 0.4, "fpr95": 0.25}
    names = ["max_probability", "entropy"] + ["mutual_information"] * (num_samples > 1)
    foreign = {name: dict.fromkeys(names, scores) for name in ("fashion_mnist", "kmnist")}
    amounts = (0, 90)
    point = {"accuracy": accuracy, "brier": 0.125, "ece": 0.0625}
    return {
        "asked": {"num_samples": num_samples},
        "foreign": foreign,
        "shifts": {"rotation": [{"amount": amount, **point} for amount in amounts]},
    }


def test_tables_hold_means_and_errors_over_seeds_and_the_number_of_samples():
    results = {
        ("mnist", "map"): [result(0.9, 0.5, num_samples=1)],
        ("mnist", "whole"): [result(0.99, 0.75), result(0.97, 0.25)],
    }
    lines = foreign_table(results, "mnist").splitlines()
    assert lines[2].startswith("| MAP (`Point`) | 1 − max p | 90.0 | 50.0 | 25.0 | 90.0 |")
    assert lines[2].endswith("| 1 (fixed weights) | 1 |")
    assert [line.split(" | ")[1] for line in lines[2:4]] == ["1 − max p", "entropy"]
    assert lines[4].startswith("| mean field, whole KL | 1 − max p | 98.0 ± 1.0 | 50.0 ± 0.0 |")
    assert lines[4].endswith("| 16 | 2 |")
    assert "published" in lines[-1]
    accuracy = shift_table(results, "rotation", "accuracy").splitlines()
    assert accuracy[3].startswith("| mean field, whole KL | 50.00 ± 25.00 | 50.00 ± 25.00 |")


def test_fast_sizes_do_not_replace_the_study(capsys):
    with pytest.raises(SystemExit):
        run.main(["--fast"])
    assert "--fast needs --output and --root" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run.main(["--seeds=0,0"])
    assert "must be different integers with commas, got '0,0'" in capsys.readouterr().err


def test_a_report_needs_an_evaluated_run(tmp_path, capsys):
    options = [f"--root={tmp_path}", f"--output={tmp_path}", "--report"]
    assert run.main(options) == 1
    assert "has been evaluated; leave --report out" in capsys.readouterr().err


@pytest.mark.slow
def test_the_fast_study_on_small_sets(tmp_path, monkeypatch, write_set):
    for seed, name in enumerate(("mnist", "fashion_mnist", "kmnist")):
        write_set(tmp_path / "data" / name, 256, 60, seed)
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(run, "ARMS", [arm for arm in run.ARMS if arm.name == "whole"])
    monkeypatch.setattr(run, "FOREIGN", ["mnist"])
    options = [f"--root={tmp_path / 'runs'}", f"--output={tmp_path / 'report'}", "--fast"]
    assert run.main([*options, "--epochs=1"]) == 0
    text = (tmp_path / "report" / "README.md").read_text()
    assert text.count("mean field, whole KL | 1 − max p") == 1
    assert "| accuracy, %, at degrees | 0 | 90 | 180 | weight samples | seeds |" in text
    figures = sorted(path.name for path in (tmp_path / "report").glob("*.png"))
    assert figures == ["entropy_mnist.png", "shifts.png"]
    path = tmp_path / "runs" / "lenet-mnist-whole-0" / "shift.json"
    held = json.loads(path.read_text())
    assert held["asked"]["num_samples"] == 2
    assert [point["amount"] for point in held["shifts"]["rotation"]] == [0, 90, 180]
    before = path.stat().st_mtime_ns
    assert run.main([*options, "--epochs=1"]) == 0  # nothing is repeated
    assert path.stat().st_mtime_ns == before
