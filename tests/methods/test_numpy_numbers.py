"""NumPy's scalars are numbers wherever one is asked for, and True is none."""

import numpy as np
import pytest

from bnn.estimators import Mean
from bnn.methods import HMC, SGLD, SWAG, Laplace, MCDropout, MomentPropagation, VariationalInference
from bnn.predictive import LAC, RAPS, MatrixScaling

HALF = np.float32(0.5)  # unlike np.float64 no subclass of float
TAKE = {
    "SGLD.step_size": lambda x: SGLD(step_size=x).step_size(0.0),
    "HMC.step_size": lambda x: HMC(step_size=x).step_size(0.0),
    "SWAG.start": lambda x: SWAG(start=x).start,
    "MCDropout.rate": lambda x: MCDropout(rate=x).rate,
    "Laplace.prior_precision": lambda x: Laplace(prior_precision=x).prior_precision,
    "VariationalInference.kl_weight": lambda x: VariationalInference(Mean(), kl_weight=x).kl_weight(
        0.0
    ),
    "MomentPropagation.kl_weight": lambda x: MomentPropagation(kl_weight=x).kl_weight(0.0),
    "MatrixScaling.penalty": lambda x: MatrixScaling(x).penalty,
    "RAPS.penalty": lambda x: RAPS(penalty=x).penalty,
    "LAC.level": lambda x: LAC(x).level,
}


@pytest.mark.parametrize("name", TAKE)
def test_numpy_numbers_are_taken_and_kept_as_pythons(name):
    kept = TAKE[name](HALF)
    assert float(kept) == 0.5
    assert not isinstance(kept, np.generic)  # which JSON does not take


@pytest.mark.parametrize("name", TAKE)
def test_truth_values_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name.partition('.')[2]}.* True"):
        TAKE[name](True)
