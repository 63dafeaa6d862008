"""What is compared, and what all candidates of all sets have in common."""

from __future__ import annotations

import dataclasses

from bnn.likelihoods import HeteroscedasticNormal, Normal, NormalRegression
from bnn.posteriors import MeanFieldNormal, Posterior
from bnn.priors import Normal as NormalPrior
from bnn.priors import Prior, ScaleMixture

NOISES = {"homoscedastic": "one noise level", "heteroscedastic": "noise by input"}
PRIORS = {"standard": "N(0, 1)", "learned": "learned scale", "mixture": "scale mixture"}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One choice of the hyper-parameters that validation data decide on."""

    noise: str  # key of `NOISES`
    prior: str  # key of `PRIORS`, of every kernel and bias
    # share of training over which the KL's weight rises linearly from 0 to 1; the whole KL
    # from there on
    warmup: float

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.noise}-{self.prior}-{self.warmup:g}"

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"{NOISES[self.noise]}, {PRIORS[self.prior]}, warm-up {self.warmup:g}"

    def make_likelihood(self) -> NormalRegression:
        """The likelihood in standardised units, built for one target."""
        made: NormalRegression = (
            Normal(scale=0.5, trainable=True)
            if self.noise == "homoscedastic"
            else HeteroscedasticNormal()
        )
        made.build(1)
        return made

    def make_posteriors(self, initial_scale: float) -> tuple[Posterior, Posterior]:
        """Of a kernel and of a bias."""
        return MeanFieldNormal(initial_scale), MeanFieldNormal(initial_scale)

    def make_priors(self) -> tuple[Prior, Prior]:
        """Of a kernel and of a bias."""
        return self.make_prior(), self.make_prior()

    def make_prior(self) -> Prior:
        """The prior of one tensor."""
        if self.prior == "mixture":
            return ScaleMixture(weight=0.5, wide_scale=1.0, narrow_scale=0.1)
        return NormalPrior(trainable=self.prior == "learned")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is the same for every candidate and every set."""

    steps: int = 15_000  # optimisation steps, whatever the size of the set
    batch_size: int = 64  # examples a step; all of a smaller training part
    learning_rate: float = 0.01  # of Adam at the start; falls to 0 along half a cosine
    initial_scale: float = 0.05  # standard deviation of every weight at the start
    train_samples: int = 2  # weight samples a step, in antithetic pairs
    valid_samples: int = 100  # weight samples of the predictive that candidates are chosen by
    test_samples: int = 500  # weight samples of the predictive that is reported
    # share of each split's training part that candidates are chosen by
    validation_fraction: float = 0.2
    hidden: int = 50  # units of the one hidden layer
    seed: int = 0  # split s uses seed + s for start values, data order, validation rows and noise
    splits: int | None = None  # how many of a set's splits, the first ones; all where None
    jit_compile: bool = True  # compile with XLA, which takes longer than a few steps


CANDIDATES = tuple(
    Candidate(noise, prior, warmup) for noise in NOISES for prior in PRIORS for warmup in (0.8,)
)
FULL = Settings()
FAST = Settings(
    steps=20, batch_size=8, valid_samples=4, test_samples=8, splits=2, jit_compile=False
)
