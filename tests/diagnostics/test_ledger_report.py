import keras
import numpy as np
import pytest

import bnn
from bnn.diagnostics import ledger_report
from bnn.divergences import MonteCarlo


def built(initial_scale=0.5, prior=None, posterior=None):
    layer = bnn.layers.Dense(
        5,
        kernel_posterior=posterior or bnn.posteriors.MeanFieldNormal(initial_scale),
        bias_posterior=posterior or bnn.posteriors.MeanFieldNormal(initial_scale),
        kernel_prior=prior,
        bias_prior=prior,
    )
    return keras.Sequential([keras.Input((4,)), layer])


def test_rows_are_the_ledger_in_nats_and_bits():
    model = built()
    report = ledger_report(model, num_train=10, nll=2.0)
    kl = {name: float(value) for name, value in bnn.ledger(model).items()}
    assert {row.name: row.size for row in report.sites} == {"0_dense/kernel": 20, "0_dense/bias": 5}
    for row in report.sites:
        assert row.kl == pytest.approx(kl[row.name], rel=1e-5)
        assert row.bits_per_weight == pytest.approx(row.kl / row.size / np.log(2), rel=1e-6)
    assert report.kl_per_example == pytest.approx(sum(kl.values()) / 10, rel=1e-5)
    mean = np.abs(model.layers[0].kernel_loc.numpy())
    assert report.sites[0].median_snr == pytest.approx(np.median(mean / 0.5), rel=1e-5)


def test_a_site_at_the_prior_is_called_collapsed():
    model = built(initial_scale=1.0)
    model.layers[0].kernel_loc.assign(np.zeros((4, 5)))
    report = ledger_report(model, num_train=100)
    assert [row.share_at_prior for row in report.sites] == [1.0, 1.0]
    assert sum("0_dense/kernel has collapsed to the prior: 100.0 %" in w for w in report.warnings)
    assert "at the prior" in str(report)
    assert "NLL unknown" in str(report)


def test_nothing_but_zero_is_shown_as_zero():
    model = built(initial_scale=0.99)
    for v in (model.layers[0].kernel_loc, model.layers[0].bias_loc):
        v.assign(np.zeros(v.shape))
    report = ledger_report(model, num_train=10**6, nll=2e-5)
    for shown in (str(report), report._repr_html_()):
        assert "NLL 2.0e-05" in shown
        assert "KL 2.5e-09" in shown
        assert "0.0020" in shown
        assert "0.00014" in shown


def test_a_site_far_from_the_prior_is_not():
    model = built(initial_scale=0.1)
    assert not any("prior:" in w for w in ledger_report(model, 100, nll=50.0).warnings)


def test_a_site_without_spread_is_called_a_point():
    model = built(initial_scale=1e-5)
    model.layers[0].kernel_loc.assign(np.ones((4, 5)))
    (warning,) = [w for w in ledger_report(model, 100, nll=50.0).warnings if "point" in w]
    assert "0_dense/kernel has collapsed to a point: its median signal-to-noise" in warning


def test_a_point_mass_is_no_collapse():
    for nll in (50.0, 0.01):  # the second is below −ln p(w) / N
        report = ledger_report(built(posterior=bnn.posteriors.Point()), 100, nll=nll)
        assert report.warnings == ()
    assert report.sites[0].share_at_prior == 0.0
    assert report.sites[0].median_snr == np.inf


@pytest.mark.parametrize(
    ("nll", "dominates"), [(0.1, True), (1e6, False), (-0.1, False), (None, False)]
)
def test_balance_of_kl_and_fit(nll, dominates):
    warnings = ledger_report(built(), num_train=10, nll=nll).warnings
    said = [w for w in warnings if "the KL dominates" in w]
    assert bool(said) == dominates
    assert all("Train for longer while the KL still falls; then more data" in w for w in said)


def test_an_nll_of_standardised_targets_is_called_one():
    report = ledger_report(built(), num_train=10, nll=0.1, standardized=True)
    words = "(standardised targets)"
    assert f"NLL 0.1000 nats {words}, KL" in str(report)
    assert f"NLL 0.1000 {words}, KL" in report._repr_html_()
    assert f"beside an NLL of 0.1 {words}." in report.warnings[-1]
    assert words not in str(ledger_report(built(), num_train=10, nll=0.1))


def test_a_notebook_shows_the_table_and_the_warnings():
    html = ledger_report(built(), num_train=10, nll=0.1)._repr_html_()
    assert "<td>0_dense/kernel</td>" in html
    assert "NLL 0.1000, KL" in html
    assert "<p>Warning: the KL dominates" in html


def test_monte_carlo_sites_are_reported_too():
    model = built(prior=bnn.priors.ScaleMixture())
    report = ledger_report(model, num_train=10)
    kl = bnn.ledger(model, kl=MonteCarlo(32))
    assert report.sites[0].kl == pytest.approx(float(kl["0_dense/kernel"]), rel=1e-4)


def test_num_train_below_one_is_refused():
    with pytest.raises(ValueError, match="num_train must be at least 1, got 0"):
        ledger_report(built(), num_train=0)
