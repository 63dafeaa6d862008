"""The contract catches every planted defect, and passes what the defect was planted in."""

from unittest import mock

import numpy as np
import pytest
from defects import BIASED_BASELINES, DEFECTS

from bnn import estimators as e
from bnn.diagnostics import Verdict, check_baseline, check_estimator
from bnn.posteriors import MeanFieldNormal

# Few draws: a defect that only many draws would show is not shown by these.
DRAWS = {"num_draws": 2**12, "max_draws": 2**15}


def report_on(defect, checks):
    arguments = {"posterior": MeanFieldNormal(0.5), **DRAWS, **defect.arguments}
    target = defect.patch or (np, "pi", np.pi)
    with mock.patch.object(*target):
        return check_estimator(defect.estimator(), defect.layer, checks=checks, **arguments)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_contract_catches_the_defect(defect):
    report = report_on(defect, (defect.check,))
    assert report[defect.caught_by].verdict is Verdict.FAIL, report
    assert not report.ok
    assert set(report.explanations) == {r.name for r in report.rows if r.verdict is Verdict.FAIL}


@pytest.mark.parametrize("kind", BIASED_BASELINES, ids=lambda kind: kind.__name__)
def test_check_baseline_catches_the_bias(kind):
    report = check_baseline(kind())
    assert not report.ok, report
    assert len(report.explanations) == len(report.failures)


@pytest.mark.parametrize("kind", [e.NoBaseline, e.LeaveOneOut, e.RunningMean, e.OptimalCoefficient])
def test_check_baseline_passes_the_sound_ones(kind):
    report = check_baseline(kind())
    assert report.ok, report
