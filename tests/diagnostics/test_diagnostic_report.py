"""Rows, verdicts and the table of a report, and its failures in words."""

import ast
import math
import pathlib

import pytest

from bnn import diagnostics
from bnn.diagnostics import Report, Row, Verdict
from bnn.diagnostics.report import exact_row, skipped_row, truth_row
from bnn.diagnostics.row_words import WORDS, in_words

# What makes rows, of a name first.
MAKERS = {
    *("Row", "exact_row", "truth_row", "Statistic", "chain_row"),
    *("_compare", "_relative", "_finite_row", "_functions_row"),
}


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


def test_what_is_unresolved_alone_has_not_failed(report):
    rows = tuple(row for row in report.rows if row.verdict is not Verdict.FAIL)
    assert Report("title", rows, 1, 1e-7).summary == "1 unresolved; not checked: limits of scale"


def test_a_notebook_shows_the_table(report):
    html = report._repr_html_()
    assert (
        "<caption>Flipout · Dense: 1 FAILED, 1 unresolved; not checked: limits of scale</caption>"
        in html
    )
    assert "<tr><td>variance</td><td>1.3</td><td>250.00</td><td>6.2</td><td>FAIL</td>" in html
    assert html.count("<tr>") == 6


def test_the_table_reads(report):
    lines = str(report).splitlines()
    said = "1 FAILED, 1 unresolved; not checked: limits of scale"
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


def test_failed_rows_are_said_in_words():
    rows = (
        Row("output variance", 1.0, 6.2, 99.0, Verdict.FAIL),
        Row("gradient dense/kernel_loc", 0.1, 6.2, 0.3, Verdict.UNRESOLVED),
        truth_row("KL dense/kernel", False),
        truth_row("KL once, over N", False),
        truth_row("a row of one's own", False),
        truth_row("posterior mean, <b>", False),
    )
    report = Report("title", rows, 1, 1e-7)
    assert report.explanations == {
        "output variance": WORDS["output variance"],
        "KL dense/kernel": WORDS["KL …"],
        "KL once, over N": WORDS["KL once, over N"],
        "posterior mean, <b>": WORDS["posterior mean, …"],
    }
    assert str(report).splitlines()[-4].startswith("output variance: Outputs vary otherwise than")
    assert "<p>posterior mean, &lt;b&gt;: posterior.mean is not" in report._repr_html_()
    assert "<p>" not in Report("title", rows[1:2], 1, 1e-7)._repr_html_()


def names_of_rows():
    """Every text that a row of the package is named by; what is filled in is "…"."""
    for file in pathlib.Path(diagnostics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) in MAKERS:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    yield name.value
                elif isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
                    yield f"{name.values[0].value}…"


def test_every_row_of_the_package_has_words():
    """Those whose names are put together elsewhere are checked on the reports of the contract."""
    names = set(names_of_rows())
    assert len(names) > 40
    assert not {name for name in names if name not in WORDS and not in_words(name)}


def test_no_words_are_of_a_row_that_is_no_more():
    """Every stem stands in the sources."""
    folder = pathlib.Path(diagnostics.__file__).parent
    files = [file for file in folder.glob("*.py") if file.name != "row_words.py"]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert not [name for name in WORDS if name.rstrip("…").rstrip(", ") not in text]


def test_words_are_sentences_that_say_where_to_look():
    for name, words in WORDS.items():
        assert words.endswith("."), name
        assert 60 < len(words) < 260, name
        assert ":" in words, name
