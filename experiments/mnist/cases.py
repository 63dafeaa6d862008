"""What is compared: a network, a set, a prior, an estimator, a weight of the KL."""

from __future__ import annotations

import dataclasses

from experiments.image_runs import Job
from experiments.shift.jobs import ARMS, EPOCHS, FOREIGN, TITLES, Fit

MLP, LENET = "2×400", "LeNet-5"
NUM_SAMPLES = 32

# The recipe of all 2×400 rows, chosen on validation data: see candidates.py.
_MLP_EPOCHS = 40
_MLP = (
    f"run.epochs = {_MLP_EPOCHS}",
    "run.report_every = 10",
    f"run.num_predict_samples = {NUM_SAMPLES}",
    "kl/LinearWarmup.fraction = 0.8",
)
_TEMPERED = ("kl/LinearWarmup.value = 0.1",)
_FASHION = ("run.data = @fashion_mnist()",)
_FIXED = (
    "run.estimator = @Mean()",
    "mlp.kernel_posterior = @Point()",
    "mlp.bias_posterior = @Point()",
)


@dataclasses.dataclass(frozen=True)
class Prior:
    """A prior of every kernel and bias of the 2×400 network.

    Attributes:
      title: what tables say.
      bindings: gin bindings beside `mnist_mlp.gin`.
    """

    title: str
    bindings: tuple[str, ...] = ()


def mixture(weight: float, wide: float, narrow: float) -> Prior:
    """Blundell's mixture of a wide and a narrow normal."""
    return Prior(
        f"scale mixture, {weight:g} N(0, {wide:g}²) + {1 - weight:g} N(0, {narrow:g}²)",
        (
            "mlp.kernel_prior = @ScaleMixture()",
            "mlp.bias_prior = @ScaleMixture()",
            f"ScaleMixture.weight = {weight:g}",
            f"ScaleMixture.wide_scale = {wide:g}",
            f"ScaleMixture.narrow_scale = {narrow:g}",
        ),
    )


PRIORS = {
    "normal": Prior("N(0, 0.3²)"),
    "learned": Prior(
        "N(0, s²), s learned by tensor",
        ("priors.Normal.trainable = True", "priors.Normal.scale = 0.1"),
    ),
    "mixture": mixture(0.25, 0.3, 0.02),
}
# The prior with the least validation NLL.
BEST = "mixture"
ESTIMATORS = {
    "lrt": ("local reparameterization", ()),
    "reparameterization": ("reparameterization", ("run.estimator = @Reparameterization()",)),
    "flipout": ("Flipout", ("run.estimator = @Flipout()",)),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the tables.

    Attributes:
      name: of the runs, without the seed.
      network: `MLP` or `LENET`.
      data: name of the set.
      prior: as tables say it.
      estimator: as tables say it.
      kl_weight: what the KL is multiplied by at the end of training.
      file: gin file.
      bindings: gin bindings.
      random: whether the fitted weights are random; of fixed ones one sample is all there is.
    """

    name: str
    network: str
    data: str
    prior: str
    estimator: str
    kl_weight: float
    file: str
    bindings: tuple[str, ...]
    random: bool = True

    def job(self, seed: int, more: tuple[str, ...] = ()) -> Job:
        """The run of a seed, with `more` bindings."""
        return Job(f"{self.name}-{seed}", self.file, (*self.bindings, *more), seed)


def mlp(
    data: str, prior: str, estimator: str = "lrt", kl_weight: float = 1.0, random: bool = True
) -> Case:
    """The 2×400 network; where not `random`, its MAP estimate."""
    title, bindings = ESTIMATORS[estimator]
    kind = estimator if random else "map"
    return Case(
        name=f"mlp-{data}-{prior}-{kind}" + ("" if kl_weight == 1 else "-tempered"),
        network=MLP,
        data=data,
        prior=PRIORS[prior].title,
        estimator=title if random else "fixed weights (MAP)",
        kl_weight=kl_weight,
        file="mnist_mlp.gin",
        bindings=(
            *_MLP,
            *(_FASHION if data == "fashion_mnist" else ()),
            *PRIORS[prior].bindings,
            *bindings,
            *(_TEMPERED if kl_weight != 1 else ()),
            *(() if random else _FIXED),
        ),
        random=random,
    )


def _lenet() -> list[Case]:
    """The runs of `experiments/shift`."""
    cases = []
    for data in FOREIGN:
        for arm in ARMS:
            job = Fit(data, arm, 0).job(EPOCHS)
            cases.append(
                Case(
                    name=job.name.removesuffix("-0"),
                    network=LENET,
                    data=data,
                    prior="N(0, 0.3²)",
                    estimator="Flipout (convolutions), local reparameterization"
                    if arm.random
                    else "fixed weights (MAP)",
                    kl_weight=0.1 if arm.name == "tempered" else 1.0,
                    file=job.file,
                    bindings=job.bindings,
                    random=arm.random,
                )
            )
    return cases


# In the order in which they are trained.
CASES = (
    mlp("mnist", BEST),
    mlp("mnist", BEST, kl_weight=0.1),
    *_lenet(),
    mlp("mnist", "learned"),
    mlp("mnist", "normal"),
    mlp("mnist", "normal", random=False),
    mlp("mnist", BEST, "flipout"),
    mlp("mnist", BEST, "reparameterization"),
    mlp("fashion_mnist", BEST),
    mlp("fashion_mnist", "normal", random=False),
    mlp("fashion_mnist", BEST, kl_weight=0.1),
)
SETS = {name: TITLES[name] for name in FOREIGN}
