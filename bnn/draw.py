"""A draw: one realisation of all random weights of a model."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import tensorflow as tf

from bnn.estimators import Estimate, Estimator, Mean
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior
from bnn.priors import Prior

_ACTIVE = threading.local()
_MEAN = Mean()


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """One random tensor of a layer.

    Attributes:
      name: `"kernel"` or `"bias"`.
      labels: names for estimators that choose by site, see `bnn.estimators.BySite`.
      operator: the bilinear map that the tensor enters.
      posterior: q(w), built.
      prior: p(w), built.
    """

    name: str
    labels: tuple[str, ...]
    operator: Operator
    posterior: Posterior
    prior: Prior


class Draw:
    """One realisation of all random weights, as a context: the same weights at every call in it.

    ```python
    with bnn.Draw(seed=0, estimator=bnn.estimators.Flipout()) as draw:
        logits = model(x)
    draw.score
    ```

    Sites are numbered in the order in which the draw first meets them, that is the model's own
    order; with the draw's coordinates this fixes every random number, in eager mode, in graphs and
    under XLA. A layer that is called twice in a draw, or shared by two places of a model, has one
    weight sample and counts once in `score`.

    A draw must be entered where its model is called: inside the `tf.function`, with the seed or
    step as an argument, because a draw that was open during the tracing would be frozen into it.

    Args:
      seed: int or scalar integer tensor, 64 bits.
      estimator: how every site is estimated.
      step: training step, int or scalar integer tensor.
      sample: number of the weight sample, int or scalar integer tensor.
      replica: number of the replica; equal on all replicas that share a draw.
      example_offset: position of the batch in the global batch, for replicas that share a draw.
      antithetic: make samples 2k and 2k + 1 an antithetic pair, w = μ ± σ ε (Hammersley & Morton
        1956): each is distributed as before, and errors of odd order in ε cancel in their mean.
    """

    def __init__(
        self,
        seed: Any,
        estimator: Estimator,
        *,
        step: Any = 0,
        sample: Any = 0,
        replica: Any = 0,
        example_offset: Any = 0,
        antithetic: bool = False,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise ValueError(
                f"estimator must be an estimator object, got {estimator!r}; "
                "pass for example bnn.estimators.Flipout(), with the parentheses."
            )
        self._noise = Noise(
            seed,
            step,
            sample=sample,
            replica=replica,
            antithetic=antithetic,
            example_offset=example_offset,
        )
        self._noise.key()  # raises for unusable coordinates, before anything is computed
        self.estimator = estimator
        self._numbers: dict[Posterior, int] = {}
        self._estimates: dict[Posterior, Estimate] = {}
        self._sites: dict[Posterior, Site] = {}
        self._graph: Any = None

    def __enter__(self) -> Draw:
        """Makes this the current draw of the thread."""
        self._graph = tf.compat.v1.get_default_graph() if tf.inside_function() else None
        _stack().append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        """Restores the draw that was current before."""
        _stack().remove(self)

    def apply(self, site: Site, inputs: tf.Tensor) -> tf.Tensor:
        """op(inputs, w) for this draw's realisation of a site; called by layers."""
        self._require_same_function()
        number = self._numbers.setdefault(site.posterior, len(self._numbers))
        estimator: Estimator = _MEAN
        if not site.posterior.deterministic:
            estimator = self.estimator.at(site.labels)
            estimator.check(site.posterior)
            self._require_pathwise_pairs(estimator)
        noise = dataclasses.replace(self._noise, site=number)
        estimate = estimator.estimate(site.operator, inputs, site.posterior, noise)
        self._estimates[site.posterior] = estimate
        self._sites[site.posterior] = site
        return estimate.outputs

    @property
    def score(self) -> tf.Tensor:
        """Σ log q(w) over the sites whose outputs do not carry the gradient; scalar, float32."""
        return _total(e.score for e in self._estimates.values())

    @property
    def log_weight(self) -> tf.Tensor:
        """Σ log q(w) − log r(w) over the sites drawn from a proposal r; scalar, no gradient."""
        return _total(e.log_weight for e in self._estimates.values())

    @property
    def score_norm(self) -> tf.Tensor:
        """Σ ‖∇_w log q(w)‖² over the sites with a score, where their baseline asks for it."""
        return _total(e.score_norm for e in self._estimates.values())

    @property
    def weights(self) -> dict[Site, tf.Tensor]:
        """The realised weights of every site met so far.

        Raises:
          ValueError: for a site whose estimator gives every example weights of its own.
        """
        for posterior, estimate in self._estimates.items():
            if estimate.weights is None:
                site = self._sites[posterior]
                raise ValueError(
                    f"estimator {type(self.estimator.at(site.labels)).__name__} does not realise "
                    f"one weight tensor for the whole batch at site {site.labels[1]!r}; use "
                    "Reparameterization or ScoreFunction where weights are needed."
                )
        return {self._sites[p]: e.weights for p, e in self._estimates.items()}

    def _require_pathwise_pairs(self, estimator: Estimator) -> None:
        if self._noise.antithetic and not estimator.pathwise:
            raise ValueError(
                f"antithetic pairs need a pathwise estimator, got {type(estimator).__name__}: the "
                "two samples of a pair are dependent, which a baseline made of the other samples "
                "does not allow; set antithetic=False or use Reparameterization."
            )

    def _require_same_function(self) -> None:
        """Raises where a tf.function would freeze a draw that was opened outside of it."""
        if not tf.inside_function():
            return
        graph = tf.compat.v1.get_default_graph()
        while graph is not None:
            if graph is self._graph:
                return
            graph = getattr(graph, "outer_graph", None)
        raise RuntimeError(
            "this Draw was opened outside of the tf.function that now calls a layer in it: its "
            "seed would be frozen into the traced graph, and later draws ignored. Open the draw "
            "inside of the function and pass seed or step as a tensor argument:\n"
            "  @tf.function\n"
            "  def f(x, step):\n"
            "      with bnn.Draw(seed=0, estimator=estimator, step=step):\n"
            "          return model(x)"
        )


def current_draw() -> Draw | None:
    """The innermost open draw of this thread, or None."""
    stack = _stack()
    return stack[-1] if stack else None


def _stack() -> list[Draw]:
    if not hasattr(_ACTIVE, "stack"):
        _ACTIVE.stack = []
    return _ACTIVE.stack


def _total(parts: Any) -> tf.Tensor:
    tensors = [part for part in parts if tf.is_tensor(part)]
    return tf.add_n(tensors) if tensors else tf.constant(0.0)
