"""How the tests of objectives call one."""

from bnn.estimators import Reparameterization
from bnn.noise import Noise


def call(objective, model, data, **options):
    options = {"estimator": Reparameterization(), **options}
    if not {"noise", "seed", "step"} & set(options):
        options["noise"] = Noise(0)
    return objective(model, *data, **options)
