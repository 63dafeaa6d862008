"""The table of posteriors: what each is made of and what it declares."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from bnn import posteriors as q

SHAPE = (3, 2)
WEIGHT_SPACE = {"Mean", "Reparameterization"}
ANY_DENSITY = WEIGHT_SPACE | {"ScoreFunction"}
ALL = ANY_DENSITY | {"LocalReparameterization", "Flipout"}


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A family with arguments, and what it declares.

    Attributes:
      make: the unbuilt description; its scale at the start is about 0.5.
      estimators: that serve a matrix.
      entropy: whether it has a closed form.
      kl: whether the KL to a normal prior has one.
      variance: whether the variance is exact.
      num_variables: of a matrix `SHAPE`.
    """

    make: Callable[[], q.Posterior]
    estimators: set
    num_variables: int
    entropy: bool = True
    kl: bool = True
    variance: bool = True

    @property
    def density(self):
        return "ScoreFunction" in self.estimators


POSTERIORS = {
    "MeanFieldNormal": Descriptor(lambda: q.MeanFieldNormal(0.5), ALL, 12),
    "MeanFieldNormal softplus": Descriptor(lambda: q.MeanFieldNormal(0.5, q.Softplus()), ALL, 12),
    "LowRankNormal": Descriptor(lambda: q.LowRankNormal(2, 0.5), ALL, 24),
    "LowRankNormal softplus": Descriptor(lambda: q.LowRankNormal(1, 0.5, q.Softplus()), ALL, 18),
    "FullCovarianceNormal": Descriptor(lambda: q.FullCovarianceNormal(0.5), ANY_DENSITY, 48),
    "MatrixNormal": Descriptor(lambda: q.MatrixNormal(0.5), ALL, 24),
    "Mixture": Descriptor(lambda: q.Mixture(3, 0.5), ANY_DENSITY, 42, entropy=False, kl=False),
    "RankOne": Descriptor(
        lambda: q.RankOne(0.5), WEIGHT_SPACE | {"LocalReparameterization"}, 16, entropy=False
    ),
    "RankOne components": Descriptor(
        lambda: q.RankOne(0.3, num_components=3),
        WEIGHT_SPACE | {"LocalReparameterization"},
        36,
        entropy=False,
    ),
    "KTiedNormal": Descriptor(lambda: q.KTiedNormal(2, 0.5), ALL, 16),
    "KTiedNormal rank 1": Descriptor(lambda: q.KTiedNormal(1, 0.5), ALL, 11),
    "Radial": Descriptor(lambda: q.Radial(1.0), ANY_DENSITY | {"Flipout"}, 12),
    "VariationalDropout": Descriptor(lambda: q.VariationalDropout(0.5), ALL, 12),
    "SpikeAndSlabNormal": Descriptor(
        lambda: q.SpikeAndSlabNormal(0.7, 0.4, 0.3, 1.0), WEIGHT_SPACE, 18, entropy=False
    ),
    "GroupHorseshoe": Descriptor(
        lambda: q.GroupHorseshoe(0.3, 0.5, 0.5),
        WEIGHT_SPACE | {"LocalReparameterization"},
        12 + 4 * 3 + 4,
        entropy=False,
    ),
    "BatchEnsemble": Descriptor(
        lambda: q.BatchEnsemble(3, 0.4),
        WEIGHT_SPACE | {"LocalReparameterization"},
        6 + 3 * (3 + 2),
        entropy=False,
    ),
    "MCDropout": Descriptor(
        lambda: q.MCDropout(0.3), WEIGHT_SPACE | {"LocalReparameterization"}, 6, entropy=False
    ),
    "ConcreteDropout": Descriptor(
        lambda: q.ConcreteDropout(0.3), WEIGHT_SPACE | {"LocalReparameterization"}, 7, entropy=False
    ),
    "CouplingFlow": Descriptor(
        lambda: q.CouplingFlow(3, 4, 0.5),
        ANY_DENSITY,
        12 + 3 * 3 * 12,
        entropy=False,
        kl=False,
        variance=False,
    ),
}
# The families themselves; bases and terms apart.
FAMILIES = {
    name
    for name in q.__all__
    if isinstance(getattr(q, name), type)
    and issubclass(getattr(q, name), q.Posterior)
    and name != "Posterior"
}


def build(name, shape=SHAPE, seed=0, spread=0.3):
    """A built posterior of the table, every number of which is its own."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    posterior = POSTERIORS[name].make()
    posterior.build(keras.layers.Layer(), "kernel", shape, keras.initializers.Constant(0.4))
    for variable in posterior.variables:
        variable.assign_add(spread * rng.normal(size=variable.shape))
    return posterior
