"""How defects are planted: in the arguments of check_estimator, or in the core for its time."""

import dataclasses
from typing import Any

from bnn import estimators as e
from bnn import layers


@dataclasses.dataclass(frozen=True)
class Defect:
    """A defect planted in the arguments of check_estimator, or in the core for its time.

    Attributes:
      name: what is wrong.
      caught_by: row that must fail.
      check: group of checks that has this row.
      estimator: factory of the estimator.
      layer: layer or operator.
      arguments: of check_estimator.
      patch: module or class, attribute and value of a defect planted in the core.
    """

    name: str
    caught_by: str
    check: str
    estimator: Any
    layer: Any = dataclasses.field(default_factory=lambda: layers.Dense(2, use_bias=False))
    arguments: dict = dataclasses.field(default_factory=dict)
    patch: tuple | None = None


class Variant(e.Estimator):
    """A sound estimator with another `realise`."""

    def __init__(self, base, realise):
        self._base, self._realise = base, realise
        for flag in ("stochastic", "couples_examples", "couples_positions", "pathwise"):
            setattr(self, flag, getattr(base, flag))

    @property
    def baseline(self):
        return self._base.baseline

    def unfit(self, posterior):
        return self._base.unfit(posterior)

    def realise(self, operator, posterior, noise, like):
        return self._realise(operator, posterior, noise, like)


def estimator_defect(name, caught_by, check, base, realise, layer=None, **arguments):
    layer = layers.Dense(2, use_bias=False) if layer is None else layer
    return Defect(name, caught_by, check, lambda: Variant(base(), realise), layer, arguments)
