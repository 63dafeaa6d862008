"""A different estimator at different sites of one model."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

import gin
import keras
import tensorflow as tf

from bnn.estimators.baselines import Baseline, NoBaseline
from bnn.estimators.estimator import Estimator, Realisation
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class BySite(Estimator):
    """Chooses an estimator for each site by pattern; the surrogate stays right for any mixture.

    Args:
      rules: shell-style patterns, tried in order, to estimators. A site has two labels,
        `"<class>/<site>"` and `"@<layer name>/<site>"`, such as `"conv2d/kernel"` and
        `"@features/kernel"`; a rule applies where either matches.
      default: for the sites no rule matches.
    """

    def __init__(self, rules: Mapping[str, Estimator], default: Estimator) -> None:
        self.rules = dict(rules)
        self.default = default
        for pattern, chosen in [*self.rules.items(), ("default", default)]:
            if not isinstance(chosen, Estimator):
                raise ValueError(
                    f"BySite needs an estimator object for {pattern!r}, got {chosen!r}; in gin "
                    "write @Flipout(), with the parentheses."
                )

    @property
    def baseline(self) -> Baseline:
        """The baseline of the members; ValueError where two of them differ."""
        used = [e.baseline for e in [*self.rules.values(), self.default]]
        used = [b for b in used if not isinstance(b, NoBaseline)]
        if any(b is not used[0] for b in used):
            raise ValueError(
                "the members of BySite have different baseline objects, but an objective has one "
                "value of f to subtract from; give all score-function members the same object."
            )
        return used[0] if used else NoBaseline()

    def at(self, labels: tuple[str, ...]) -> Estimator:
        """The first rule's estimator that matches one of the site's labels, else the default."""
        for pattern, chosen in self.rules.items():
            if any(fnmatch.fnmatchcase(label, pattern) for label in labels):
                return chosen.at(labels)
        return self.default.at(labels)

    def describe(self) -> str:
        """Pattern and estimator of every rule, and the default."""
        rules = [f"{pattern}: {chosen.describe()}" for pattern, chosen in self.rules.items()]
        return ", ".join([*rules, f"else {self.default.describe()}"])

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """The default's; draws resolve sites with `at` first."""
        return self.default.realise(operator, posterior, noise, like)
