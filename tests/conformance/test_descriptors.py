"""Every public part stands in the table, and can be chosen, saved and made again by its name."""

import importlib
import inspect

import gin
import keras
import pytest

import bnn.experiment  # noqa: F401  (registers everything with gin)
from bnn.estimators import Estimator
from bnn.likelihoods import Likelihood
from bnn.methods import Method
from bnn.objectives import NegativeELBO
from bnn.operators import Operator
from bnn.posteriors import Posterior
from bnn.priors import Prior
from tests.conformance.descriptors import METHODS, OBJECTIVES, TABLE

BASES = {
    "layers": keras.layers.Layer,
    "posteriors": Posterior,
    "priors": Prior,
    "likelihoods": Likelihood,
    "estimators": Estimator,
    "operators": Operator,
    "methods": Method,
    "objectives": NegativeELBO,
}
# Bases that are public so that others may build on them.
FOUNDATIONS = {
    "AffineLayer",
    "BayesianLayer",
    "Classification",
    "Columns",
    "Convolution",
    "ElementwiseNormal",
    "NormalRegression",
}


def public(room):
    """The classes that a room offers to choose from."""
    module, base = importlib.import_module(f"bnn.{room}"), BASES[room]
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name: kind
        for name, kind in found.items()
        if inspect.isclass(kind) and issubclass(kind, base) and not inspect.isabstract(kind)
        if room == "operators" or name not in FOUNDATIONS
    }


@pytest.mark.parametrize("room", TABLE)
def test_nothing_public_is_missing_in_the_table(room):
    assert set(public(room)) - {"Operator"} == TABLE[room]


@pytest.mark.parametrize("room", sorted(set(TABLE) - {"operators"}))
def test_every_part_can_be_chosen_in_a_gin_file(room):
    for name in TABLE[room]:
        registered = gin.get_configurable(f"bnn.{room}.{name}")
        assert registered.__name__ == name


@pytest.mark.parametrize("room", ["layers", "posteriors", "priors", "likelihoods"])
def test_every_part_can_be_loaded_by_its_name(room):
    for kind in public(room).values():
        name = keras.saving.get_registered_name(kind)
        assert name.startswith("bnn"), kind
        assert keras.saving.get_registered_object(name) is kind


@pytest.mark.parametrize("kind", [*METHODS, *OBJECTIVES], ids=lambda kind: kind.__name__)
def test_methods_and_objectives_are_built_and_describe_themselves(kind):
    built = kind(**{**METHODS, **OBJECTIVES}[kind])
    described = built.describe()
    assert kind.__name__ in described.values()
    assert inspect.getdoc(kind)
