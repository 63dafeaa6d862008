"""The families, under one recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bnn import posteriors as q
from bnn.posteriors import Posterior
from bnn.priors import LogUniform, Prior
from experiments.uci.candidates import Candidate, Settings

# Name: of an initial scale σ, the posterior of a kernel.
FAMILIES: dict[str, Callable[[float], Posterior]] = {
    "Point": lambda s: q.Point(),
    "MeanFieldNormal": q.MeanFieldNormal,
    "KTiedNormal, K = 2": lambda s: q.KTiedNormal(2, s),
    "Radial": q.Radial,
    "LowRankNormal, K = 4": lambda s: q.LowRankNormal(4, s),
    "MatrixNormal": q.MatrixNormal,
    "FullCovarianceNormal": q.FullCovarianceNormal,
    "Mixture, K = 2": lambda s: q.Mixture(2, s),
    "CouplingFlow": lambda s: q.CouplingFlow(initial_scale=s),
    "RankOne": q.RankOne,
    "RankOne, M = 4": lambda s: q.RankOne(s, num_components=4),
    "BatchEnsemble, K = 4": lambda s: q.BatchEnsemble(4),
    "GroupHorseshoe": q.GroupHorseshoe,
    "SpikeAndSlabNormal": lambda s: q.SpikeAndSlabNormal(initial_scale=s),
    "VariationalDropout": q.VariationalDropout,
    "MCDropout": lambda s: q.MCDropout(0.05),
    "ConcreteDropout": lambda s: q.ConcreteDropout(0.05),
}
# Their ledger counts a bound, a penalty, or points up to a constant: no ELBO to be compared.
NO_BOUND = ("Point", "RankOne", "BatchEnsemble", "Spike", "VariationalDropout", "MCD", "Concrete")
SETTINGS = Settings(steps=2_000, test_samples=100, splits=5)
FAST = Settings(steps=4, batch_size=8, test_samples=4, splits=2, jit_compile=False)
SETS = ("bostonHousing", "concrete", "power-plant", "wine-quality-red", "yacht")


@dataclasses.dataclass(frozen=True)
class Family(Candidate):
    """A family in kernels, mean fields in biases, N(0, 1) priors, one learned noise level."""

    family: str = "MeanFieldNormal"  # key of `FAMILIES`

    @property
    def name(self) -> str:
        """Name of its file."""
        return "".join(c if c.isalnum() else "-" for c in self.family)

    def make_posteriors(self, initial_scale: float) -> tuple[Posterior, Posterior]:
        """Of a kernel and of a bias."""
        bias = q.Point() if self.family == "Point" else q.MeanFieldNormal(initial_scale)
        return FAMILIES[self.family](initial_scale), bias

    def make_priors(self) -> tuple[Prior, Prior]:
        """N(0, 1), and its own for the kernels of variational dropout."""
        kernel, bias = super().make_priors()
        return LogUniform() if self.family == "VariationalDropout" else kernel, bias


CANDIDATES = tuple(Family("homoscedastic", "standard", 0.5, name) for name in FAMILIES)
