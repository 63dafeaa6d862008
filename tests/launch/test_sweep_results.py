import csv

import numpy as np
import pytest
import scipy.stats

from launch.points import Point
from launch.sweep_results import choose_metrics, mean_and_error, show, write_results

FINISHED = [
    (
        Point(f"{rate},{seed}", {"rate": rate}, seed, []),
        {"test": {"nll": nll, "error": 0.25}, "seed": seed, "ledger": {"sites": {"a": 1}}},
    )
    for rate, seed, nll in [("1", 0, 1.0), ("1", 1, 2.0), ("1", 2, 6.0), ("2", 0, 5.0)]
]
POINTS = [point for point, _ in FINISHED]


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_error_is_the_standard_error_of_the_mean(rng):
    for count in (2, 3, 17):
        values = rng.normal(size=count).tolist()
        mean, error = mean_and_error(values)
        assert mean == pytest.approx(np.mean(values), rel=1e-12)
        assert error == pytest.approx(scipy.stats.sem(values), rel=1e-12)
    assert mean_and_error([3.0]) == (3.0, None)


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (0.118532, 0.002091, "0.1185 ± 0.0021"),
        (123.4567, 12.3, "123 ± 12"),
        (0.5, 0.0, "0.5 ± 0"),
        (0.123456, None, "0.1235"),
        (float("nan"), float("nan"), "nan ± nan"),
        (1.0, 0.5, "1.00 ± 0.50"),
    ],
)
def test_numbers_are_shown_to_the_place_of_their_error(mean, error, text):
    assert show(mean, error) == text


def test_the_files_hold_every_run_and_the_summary(tmp_path):
    text = write_results(tmp_path, POINTS, FINISHED, ["error", "nll"])
    assert text == (tmp_path / "summary.md").read_text()
    assert text.startswith("| rate | seeds | test error | test nll  |\n")
    assert "| 3.0 ± 1.5 |" in text
    runs = read(tmp_path / "results.csv")
    assert [run["test.nll"] for run in runs] == ["1.0", "2.0", "6.0", "5.0"]
    assert [run["run"] for run in runs] == ["1,0", "1,1", "1,2", "2,0"]
    assert not any("ledger" in column for column in runs[0])
    first, second = read(tmp_path / "summary.csv")
    assert (first["rate"], first["n"], first["nll.mean"]) == ("1", "3", "3.0")
    assert float(first["nll.standard_error"]) == pytest.approx(scipy.stats.sem([1, 2, 6]))
    assert (second["n"], second["nll.mean"], second["nll.standard_error"]) == ("1", "5.0", "")


def test_metrics_are_the_usual_ones_or_those_asked_for():
    assert choose_metrics(FINISHED, None) == ["error", "nll"]
    assert choose_metrics(FINISHED, ["nll"]) == ["nll"]
    with pytest.raises(ValueError, match="no run has the test metric 'ece'; they have nll, error"):
        choose_metrics(FINISHED, ["ece"])
