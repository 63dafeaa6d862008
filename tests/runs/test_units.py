"""Numbers of standardised targets and of the targets' own units are told apart by words."""

import dataclasses
import json

import numpy as np
import pytest

from bnn.report.results_file import read_results
from bnn.runs.results import summary
from bnn.runs.units import standardizes, units_of_test, units_while_training
from tests.runs.task_cases import of_values
from tests.runs.toy_runs import classes, values


def test_what_is_standardised_is_seen_by_its_scaling():
    assert standardizes(values())
    assert not standardizes(classes())
    own = dataclasses.replace(values(), target_loc=np.zeros(1), target_scale=np.ones(1))
    assert not standardizes(own)
    assert units_while_training(own) == units_while_training(classes()) == ""
    scaled = dataclasses.replace(own, target_scale=np.full(1, 24.0))  # hours told in days
    assert standardizes(scaled)


def test_units_are_named_while_training_and_after_it(tmp_path):
    data = dataclasses.replace(
        of_values(), target_names=("load", "heat"), target_units={"heat": "kWh"}
    )
    said = units_while_training(data)
    assert said.endswith("valid_nll and rmse, of targets in their own units (heat in kWh)")
    results = {"task": "regression", "target_units": dict(data.target_units)}
    assert "in their own units (heat in kWh)" in units_of_test(results)
    assert units_of_test({"task": "classification"}) == ""
    heads = {"task": "heads", "target_units": {"heat": "kWh"}, "test": {"heat/rmse": 1.0}}
    assert "in their own units (heat in kWh)" in units_of_test(heads)
    assert units_of_test({"task": "heads", "test": {"kind/accuracy": 1.0}}) == ""
    whole = results | {"test": {"nll": 1.0}, "kl": {"total": 2.0}, "seconds": {"train": 3.0}}
    assert summary(whole, tmp_path)["units of the test"] == units_of_test(results)


@pytest.mark.parametrize(
    ("about", "name"),
    [
        ({"ledger": {"sites": [{"median_snr": None}]}}, "−ln p(w), nats"),
        ({"ledger": {"sites": [{"median_snr": None}]}, "estimator": "Mean"}, "−ln p(w), nats"),
        ({"ledger": {"sites": [{"median_snr": None}]}, "estimator": "Flipout"}, "KL, nats"),
        ({"ledger": {"sites": [{"median_snr": None}, {"median_snr": 1.0}]}}, "KL, nats"),
        ({}, "KL, nats"),
    ],
)
def test_chains_say_r_hat_and_the_ledger_of_points_is_not_called_a_kl(tmp_path, about, name):
    results = {"test": {}, "kl": {"total": 2.0}, "seconds": {"train": 3.0}} | about
    chains = {"weights": {"r_hat": 2.2, "least_effective_samples": 7.0}}
    shown = summary(results | {"chains": chains}, tmp_path)
    assert shown["R-hat of the weights"] == 2.2
    assert shown[name] == 2.0
    assert len({"−ln p(w), nats", "KL, nats"} & set(shown)) == 1


@pytest.mark.parametrize(("written", "faults"), [(True, 0), ("yes", 1)])
def test_a_report_reads_whether_targets_were_standardised(tmp_path, written, faults):
    file = tmp_path / "results.json"
    about = {"data": "d", "test": {}, "num_predict_samples": 1, "seed": 0}
    file.write_text(json.dumps(about | {"standardized_targets": written}))
    results, said = read_results(file)
    assert results.get("standardized_targets") == (written if not faults else None)
    assert len(said) == faults
