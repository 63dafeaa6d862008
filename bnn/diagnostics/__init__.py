"""Diagnostics: what estimators, layers, posteriors, baselines and methods must pass."""

from bnn.diagnostics.audit import Audit, Finding, audit
from bnn.diagnostics.baselines import check_baseline
from bnn.diagnostics.conjugate import ConjugateRegression, Law
from bnn.diagnostics.constants import REMEDIES, Versus, constant_warning, versus_constant
from bnn.diagnostics.contract import CHECKS, check_estimator, run_checks
from bnn.diagnostics.ledger_report import LedgerReport, SiteReport, ledger_report
from bnn.diagnostics.linear_gaussian import LinearGaussian
from bnn.diagnostics.method_contract import METHOD_CHECKS, check_method
from bnn.diagnostics.report import Report, Row, Verdict
from bnn.diagnostics.simulation import Simulation
from bnn.diagnostics.subject import Subject, make_subject

__all__ = [
    "CHECKS",
    "METHOD_CHECKS",
    "REMEDIES",
    "Audit",
    "ConjugateRegression",
    "Finding",
    "Law",
    "LedgerReport",
    "LinearGaussian",
    "Report",
    "Row",
    "Simulation",
    "SiteReport",
    "Subject",
    "Verdict",
    "Versus",
    "audit",
    "check_baseline",
    "check_estimator",
    "check_method",
    "constant_warning",
    "ledger_report",
    "make_subject",
    "run_checks",
    "versus_constant",
]
