"""What is compared: a network, a set, a prior, an estimator, a weight of the KL."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from experiments.runs import Job, fixed_weights
from experiments.runs import estimator as estimator_bindings
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


@dataclasses.dataclass(frozen=True)
class Prior:
    """A prior of every kernel and bias of the 2×400 network."""

    title: str  # what tables say
    bindings: tuple[str, ...] = ()  # gin bindings beside `mnist_mlp.gin`


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
    "reparameterization": ("reparameterization", estimator_bindings("Reparameterization")),
    "flipout": ("Flipout", estimator_bindings("Flipout")),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the tables."""

    name: str  # of the runs, without the seed
    network: str  # `MLP` or `LENET`
    data: str  # name of the set
    prior: str  # as tables say it
    estimator: str  # as tables say it
    kl_weight: float  # what the KL is multiplied by at the end of training
    file: str  # gin file
    bindings: tuple[str, ...]  # gin bindings
    # whether the fitted weights are random; of fixed ones one sample is all there is
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
            *(() if random else fixed_weights("mlp")),
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


class Goal(NamedTuple):
    """What the study was to show: upper bounds of a case's means over seeds."""

    case: str  # name of the case
    title: str  # what the table says
    error: float  # a fraction
    nll: float  # nats per example


GOALS = (
    Goal(mlp("mnist", BEST).name, "MNIST, 2×400, whole KL, best prior", 0.020, 0.080),
    Goal(mlp("mnist", BEST, kl_weight=0.1).name, "MNIST, 2×400, KL × 0.1", 0.016, 0.060),
    Goal("lenet-mnist-whole", "MNIST, LeNet-5, whole KL", 0.012, 0.040),
    Goal("lenet-fashion_mnist-whole", "Fashion-MNIST, LeNet-5, whole KL", 0.100, 0.285),
)
