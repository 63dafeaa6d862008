"""Rows, verdicts and the table of a report."""

import math

import pytest

from bnn.diagnostics import Report, Row, Verdict
from bnn.diagnostics.report import exact_row, skipped_row, truth_row


@pytest.fixture
def report():
    rows = (
        exact_row("small difference", 1e-7, 1e-6),
        Row("mean", 0.01, 6.2, 1.5, Verdict.PASS),
        Row("variance", 1.33, 6.2, 250.0, Verdict.FAIL),
        Row("gradient", 0.1, 6.2, 0.3, Verdict.UNRESOLVED, "raise max_draws"),
        skipped_row("limits of scale", "no initial_scale"),
    )
    return Report("Flipout · Dense", rows, 16384, 1e-7)


def test_failures_are_the_failed_and_the_unresolved(report):
    assert [row.name for row in report.failures] == ["variance", "gradient"]
    assert not report.ok


def test_passed_and_skipped_rows_are_ok(report):
    sound = [row for row in report.rows if row not in report.failures]
    assert Report("title", tuple(sound), 1, 1e-7).ok


def test_a_notebook_shows_the_table(report):
    html = report._repr_html_()
    assert "<caption>Flipout · Dense: 2 FAILED; not checked: limits of scale</caption>" in html
    assert "<tr><td>variance</td><td>1.3</td><td>250.00</td><td>6.2</td><td>FAIL</td>" in html
    assert html.count("<tr>") == 6


def test_the_table_reads(report):
    lines = str(report).splitlines()
    said = "2 FAILED; not checked: limits of scale"
    assert lines[0] == f"Flipout · Dense: {said} (16384 draws, false-alarm rate 1e-07)"
    assert lines[1].split() == ["check", "statistic", "z", "limit", "verdict"]
    assert lines[2].split() == ["small", "difference", "1e-07", "1e-06", "pass"]
    assert lines[4].split() == ["variance", "1.3", "250.00", "6.2", "FAIL"]
    assert lines[5].endswith("unresolved  (raise max_draws)")
    assert lines[6].endswith("skip  (no initial_scale)")


def test_rows_are_found_by_name(report):
    assert report["variance"].z == 250.0
    with pytest.raises(KeyError, match="no check 'vairance' in this report; it has"):
        report["vairance"]


@pytest.mark.parametrize("difference", [1e-5, -1e-5, math.inf, math.nan])
def test_exact_rows_fail(difference):
    assert exact_row("name", difference, 1e-6).verdict is Verdict.FAIL


def test_truth_rows():
    assert truth_row("name", True).verdict is Verdict.PASS
    assert truth_row("name", False).verdict is Verdict.FAIL
