"""Every estimator on every layer and posterior keeps the contract.

With a false-alarm rate of 1e-7 a report, and fewer than 300 reports in this folder, a sound
implementation fails somewhere in it with probability below 3e-5 when the noise is changed; with the
noise as it is, it always passes or always fails.
"""

import cells
import pytest

from bnn.diagnostics import CHECKS, Verdict, check_estimator
from bnn.diagnostics.row_words import in_words

# Compiling the noise into three modes costs most of a report; the everyday run does it for some.
CHEAP = tuple(check for check in CHECKS if check not in ("modes", "ledger"))
MODES = ("modes", "ledger")


def ids(cell):
    return "-".join(cell)


def report_on(cell, checks):
    """The report, whose rows each have words for the case that they fail."""
    positional, shapes = cells.arguments(*cell)
    report = check_estimator(*positional, checks=checks, **shapes)
    without = {
        r.name for r in report.rows if r.verdict is not Verdict.SKIP and not in_words(r.name)
    }
    assert not without
    return report


@pytest.mark.parametrize("cell", cells.EVERYDAY, ids=ids)
def test_contract(cell):
    report = report_on(cell, CHEAP)
    assert report.ok, report


@pytest.mark.parametrize("cell", cells.EVERYDAY_MODES, ids=ids)
def test_modes(cell):
    report = report_on(cell, MODES)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("cell", cells.LONG, ids=ids)
def test_contract_in_the_long_table(cell):
    report = report_on(cell, CHEAP)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("cell", cells.LONG_MODES, ids=ids)
def test_modes_in_the_long_table(cell):
    report = report_on(cell, MODES)
    assert report.ok, report


def test_every_name_of_the_table_is_in_the_everyday_run():
    estimators, layers, posteriors = map(set, zip(*cells.EVERYDAY, strict=True))
    assert estimators == set(cells.ESTIMATORS)
    assert layers == set(cells.LAYERS)
    assert posteriors == set(cells.POSTERIORS)
