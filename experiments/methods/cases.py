"""The methods, and by which bindings each is chosen."""

from __future__ import annotations

from typing import NamedTuple

from experiments.runs import Job


class Case(NamedTuple):
    """A row of a table."""

    title: str
    bindings: tuple[str, ...]  # beside the gin file

    @property
    def shown(self) -> str:
        """The bindings, as they stand in a table."""
        return "; ".join(f"`{binding}`" for binding in self.bindings) or "–"


def of(method: str, *others: str) -> tuple[str, ...]:
    """Bindings of a method by its name in gin."""
    return (f"run.method = @{method}()", *others)


_ANCHORED = of("DeepEnsemble", "DeepEnsemble.method = @AnchoredMAP()")
_POINTS = ("mlp.kernel_posterior = @Point()", "mlp.bias_posterior = @Point()")

# By the name of the run's folder. Each has the gin file's model, data, epochs and optimizer.
DIGITS = {
    "map": Case("MAP", of("MAP", *_POINTS)),
    "vi": Case("mean field (VI)", ()),
    "ivon": Case("IVON", of("IVON")),
    "dropout": Case("MC dropout", of("methods.MCDropout")),
    "ensemble": Case("deep ensemble of 5", of("DeepEnsemble")),
    "anchored": Case("anchored ensemble of 5", _ANCHORED),
    "stacked": Case("stacked ensemble of 5", of("StackedEnsemble")),
    "snapshots": Case("snapshot ensemble of 5", of("SnapshotEnsemble")),
    "swa": Case("SWA", of("SWA")),
    "swag": Case("SWAG", of("SWAG")),
    "multiswag": Case("MultiSWAG", of("DeepEnsemble", "DeepEnsemble.method = @SWAG()")),
    "laplace": Case("Laplace, KFAC", of("methods.Laplace")),
    "last_layer": Case(
        "Laplace, last layer, full",
        of(
            "methods.Laplace",
            'methods.Laplace.structure = "full"',
            'methods.Laplace.where = "last"',
        ),
    ),
    "vbll": Case("last-layer VI (VBLL)", of("VBLL")),
    "moments": Case("moment propagation", of("MomentPropagation")),
    "sngp": Case("SNGP", of("SNGP")),
    "ddu": Case("DDU", of("DDU")),
    "sgld": Case("SGLD", of("SGLD")),
    "sghmc": Case("SGHMC", of("SGHMC")),
    "hmc": Case("HMC", of("HMC")),
    "nuts": Case("NUTS", of("NUTS")),
    "mclmc": Case("MCLMC", of("MCLMC")),
}

_STEPS = ("run.epochs = 2000", "run.report_every = 200")
_CHAINS = (*_STEPS, "run.save_seconds = 30.0")
_ENSEMBLE = ("run.likelihood = @HeteroscedasticNormal()",)
CLASSROOM = {
    "mean_field": Case("mean field (VI)", ()),
    "full_covariance": Case(
        "full covariance by tensor (VI)",
        (
            "mlp.kernel_posterior = @FullCovarianceNormal()",
            "mlp.bias_posterior = @FullCovarianceNormal()",
            "FullCovarianceNormal.initial_scale = 0.02",
            "VariationalInference.estimator = @Reparameterization()",
        ),
    ),
    "conditional": Case(
        "last layer given the others (VI)",
        of("ConditionalLastLayer", *_STEPS, "run.jit_compile = False"),  # XLA's Cholesky is slow
    ),
    "ensemble": Case("deep ensemble of 5", of("DeepEnsemble", *_ENSEMBLE)),
    "anchored": Case("anchored ensemble of 5", (*_ANCHORED, *_ENSEMBLE)),
    "stacked": Case(
        "stacked ensemble of 20",
        of("StackedEnsemble", "StackedEnsemble.num_members = 20", *_ENSEMBLE),
    ),
    "dropout": Case("MC dropout", of("methods.MCDropout")),
    "swag": Case("SWAG", of("SWAG")),
    "laplace": Case(
        "Laplace, full",
        of("methods.Laplace", 'methods.Laplace.structure = "full"'),
    ),
    "vbll": Case("last-layer VI (VBLL)", of("VBLL")),
    "sghmc": Case("SGHMC", of("SGHMC", "SGHMC.step_size = 2e-4")),
    "nuts": Case(
        "NUTS, 4 chains",
        of("NUTS", "NUTS.num_chains = 4", "NUTS.max_tree_depth = 7", *_CHAINS),
    ),
    "mclmc": Case("MCLMC, 10 chains", of("MCLMC", "MCLMC.num_chains = 10", *_CHAINS)),
}
ACTIVATIONS = ("tanh", "relu")


def digits_jobs(epochs: float | None = None) -> dict[str, Job]:
    """Runs on digits, by case; of so many epochs where given."""
    more = () if epochs is None else (f"run.epochs = {epochs}",)
    return {
        name: Job(f"digits_{name}", "digits.gin", (*case.bindings, *more), seed=0)
        for name, case in DIGITS.items()
    }


def classroom_jobs(data: str, epochs: float | None = None) -> dict[tuple[str, str], Job]:
    """Runs in the classroom, by case and activation."""
    more = () if epochs is None else (f"run.epochs = {epochs}",)
    return {
        (name, activation): Job(
            f"classroom_{name}_{activation}",
            "../experiments/methods/classroom.gin",
            (*case.bindings, f"arrays.path = {data!r}", f"mlp.activation = {activation!r}", *more),
            seed=0,
        )
        for activation in ACTIVATIONS
        for name, case in CLASSROOM.items()
    }
