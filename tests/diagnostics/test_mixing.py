"""Chains that disagree are named, by the log joint alone."""

import numpy as np
import pytest

from bnn.diagnostics.mixing import mixing_warning
from bnn.methods.chains import _mixing


def about(shift):
    chains = np.random.default_rng(0).normal(size=(200, 2, 1)) + np.array([0, shift])[:, None]
    return {"chains": {"log joint": _mixing(chains), "weights": {"r_hat": 3.0}}}


def test_chains_that_disagree_are_named():
    assert "R-hat of the log joint is" in mixing_warning(about(3.0))
    assert mixing_warning({"chains": {"log joint": {"r_hat": 1.104}}})


@pytest.mark.parametrize(
    "said",
    [
        about(0.0),
        about(3.0) | {"chains_begin": "at an ensemble's members"},
        {"chains": {"log joint": {"r_hat": None}}},
        {"method": "SGLD"},
    ],
)
def test_others_are_not(said):
    assert mixing_warning(said) == ""
