"""A draw: one realisation of all random weights of a model."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import Any

import tensorflow as tf

from bnn import distributions as tfd
from bnn.compat import (
    enclosing_control_flow,
    entry_layer,
    recording_is_stopped,
    vectorized_depth,
)
from bnn.estimators import Estimator, Mean, Realisation, Reparameterization, one_tensor
from bnn.noise import Noise, Sobol, as_noise

Site = Any  # `bnn.sites.Site`, which calls draws
_ACTIVE = threading.local()
_MEAN = Mean()


class Draw:
    """One realisation of all random weights, as a context: the same weights at every call in it.

    ```python
    with bnn.Draw(seed=0, estimator=bnn.estimators.Flipout()) as draw:
        logits = model(x)
    draw.score
    ```

    Sites are numbered in the model's own order, that of `bnn.sites`; with the draw's coordinates
    this fixes every random number, in eager mode, in graphs and under XLA. A layer that is called
    twice in a draw, at every step of a scan, or shared by two places of a model, has one weight
    sample and counts once in `score`; an estimator that has no weight sample refuses it.

    A draw must be entered where its model is called: inside the `tf.function`, with the seed or
    step as an argument, because a draw that was open during the tracing would be frozen into it.
    It is entered once.

    Args:
      seed: int or scalar integer tensor, 64 bits; or a `bnn.Noise`, which is taken as it is.
      estimator: how every site is estimated.
      step: training step, int or scalar integer tensor; 0 where None.
      sample: number of the weight sample, int or scalar integer tensor; 0 where None.
      antithetic: make samples 2k and 2k + 1 an antithetic pair, w = μ ± σ ε (Hammersley & Morton
        1956): each is distributed as before, and errors of odd order in ε cancel in their mean.

    Raises:
      ValueError: unusable coordinates, or coordinates beside a `Noise`.
    """

    def __init__(
        self,
        seed: Any,
        estimator: Estimator,
        *,
        step: Any = None,
        sample: Any = None,
        antithetic: bool | None = None,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise ValueError(
                f"estimator must be an estimator object, got {estimator!r}; "
                "pass for example bnn.estimators.Flipout(), with the parentheses."
            )
        self.noise = as_noise(seed, step=step, sample=sample, antithetic=antithetic)
        self.estimator = estimator
        self._numbers: dict[Site, int] = {}
        self._realised: dict[Site, Realisation] = {}
        self._applied: set[Site] = set()
        self._graph: Any = None
        self._depth = 0
        self._entered = False

    def __repr__(self) -> str:
        """Coordinates and estimator."""
        coordinates = repr(self.noise).removeprefix("Noise(").removesuffix(")")
        return f"Draw({coordinates}, estimator={self.estimator!r})"

    def __enter__(self) -> Draw:
        """Makes this the current draw of the thread.

        Raises:
          RuntimeError: it was entered before.
        """
        if self._entered:
            raise RuntimeError(
                "a Draw is entered once: its weights were made the first time, from what the "
                "variables were then, and carry no gradient to what they are now. Make a new one "
                "where it is entered: with bnn.Draw(seed=0, estimator=estimator, step=step):"
            )
        self._entered = True
        self._graph = tf.compat.v1.get_default_graph() if tf.inside_function() else None
        self._depth = vectorized_depth()
        _stack().append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        """Restores the draw that was current before."""
        _stack().remove(self)

    def apply(self, site: Site, inputs: tf.Tensor) -> tf.Tensor:
        """op(inputs, w) for this draw's realisation of a site.

        Raises:
          ValueError: a second call, or one in a loop, with an estimator that has no weights to use
            again.
        """
        realisation = self.realise(site, inputs)
        if not realisation.reusable and (site in self._applied or self._inside_loop()):
            where = "in a loop" if self._inside_loop() else "again"
            name = type(self.estimator.at(site.labels)).__name__
            raise ValueError(
                f"site {site.label!r} is called {where} in one draw, but {name} samples outputs, "
                "not weights: the calls would not be those of one function. Use Reparameterization "
                "or Flipout for this layer, alone or by BySite."
            )
        self._applied.add(site)
        return realisation.apply(inputs)

    def realise(self, site: Site, like: tf.Tensor) -> Realisation:
        """The site's realisation in this draw, made at the first call.

        Args:
          site: of a layer that is called in the draw.
          like: the layer's inputs, or a tensor of their batch size and dtype.

        Raises:
          ValueError: an estimator that does not serve the posterior.
          RuntimeError: in a function that this draw would be frozen into, or that is computed again
            after the draw.
        """
        self._require_open_graph(site)
        if site not in self._realised:
            self._realised[site] = self._make(site, like)
        return self._realised[site]

    def _make(self, site: Site, like: tf.Tensor) -> Realisation:
        estimator: Estimator = _MEAN
        if not site.posterior.deterministic:
            estimator = self.estimator.at(site.labels)
            estimator.check(site.posterior, site.operator)
            self._require_pathwise_pairs(estimator)
        noise = self.noise.at(site=self._number(site))
        if noise.sobol is not None:
            noise = noise.at(sobol=self._coupling(noise.sobol, site))
        with self._outside_of_loops(site, like) as like:
            return estimator.realise(site.operator, site.posterior, noise, like)

    def _number(self, site: Site) -> int:
        """The site's place in the model that is being called; later ones outside of any."""
        if site not in self._numbers:
            model = entry_layer()
            for other in () if model is None else site.in_order(model):
                self._numbers.setdefault(other, len(self._numbers))
        return self._numbers.setdefault(site, len(self._numbers))

    def _coupling(self, coupling: Sobol, site: Site) -> Sobol:
        """Sobol points of a site, after those of the sites before it."""
        place = self._numbers[site]
        first = sum(
            math.prod(other.posterior.shape)
            for other, number in self._numbers.items()
            if number < place and not other.posterior.deterministic
        )
        return coupling.for_tensor(first, math.prod(site.posterior.shape), site.label)

    def _inside_loop(self) -> bool:
        return _graph() is not self._graph or vectorized_depth() > self._depth

    @contextlib.contextmanager
    def _outside_of_loops(self, site: Site, like: tf.Tensor) -> Any:
        """A context in the draw's own graph: what is made in a loop's body cannot leave it."""
        if _graph() is self._graph:
            yield like
            return
        if like.shape[0] is None:
            raise ValueError(
                f"site {site.label!r} is called in a loop with an unknown batch size; call "
                "site.realise(inputs) before the loop, or give the model a fixed batch size."
            )
        with self._graph.as_default(), tf.control_dependencies(None):
            yield tf.zeros([like.shape[0]] + [1] * (like.shape.rank - 1), like.dtype)

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites met so far."""
        return tuple(self._realised)

    @property
    def score(self) -> tf.Tensor:
        """Σ log q(w) over the sites whose outputs do not carry the gradient; scalar, float32."""
        return _total(r.score for r in self._realised.values())

    @property
    def log_weight(self) -> tf.Tensor:
        """Σ log q(w) − log r(w) over the sites drawn from a proposal r; scalar, no gradient."""
        return _total(r.log_weight for r in self._realised.values())

    @property
    def score_norm(self) -> tf.Tensor:
        """Σ ‖∇_w log q(w)‖² over the sites with a score, where their baseline asks for it."""
        return _total(r.score_norm for r in self._realised.values())

    @property
    def weights(self) -> dict[Site, tf.Tensor]:
        """The realised weights of every site met so far.

        Raises:
          ValueError: for a site whose estimator gives every example weights of its own.
        """
        for site, realisation in self._realised.items():
            if realisation.weights is None:
                raise ValueError(
                    f"estimator {type(self.estimator.at(site.labels)).__name__} does not realise "
                    f"one weight tensor for the whole batch at site {site.label!r}; use "
                    "Reparameterization or ScoreFunction where weights are needed."
                )
        return {site: r.weights for site, r in self._realised.items()}

    def _require_pathwise_pairs(self, estimator: Estimator) -> None:
        if self.noise.antithetic and not estimator.pathwise:
            raise ValueError(
                f"antithetic pairs need a pathwise estimator, got {type(estimator).__name__}: the "
                "two samples of a pair are dependent, which a baseline made of the other samples "
                "does not allow; set antithetic=False or use Reparameterization."
            )
        if self.noise.sobol is not None and not estimator.pathwise:
            raise ValueError(
                f"Sobol points need a pathwise estimator, got {type(estimator).__name__}: the "
                "samples of a step are dependent, which a baseline made of the other samples does "
                "not allow; set sobol=None or use Reparameterization."
            )

    def _require_open_graph(self, site: Site) -> None:
        """Raises where a function would freeze this draw, or compute its weights again without it.

        Loops and branches are parts of the function that they stand in; a `tf.function` is another
        one, which is traced once for all draws.
        """
        if recording_is_stopped():
            raise RuntimeError(
                f"site {site.label!r} is called where gradients are not recorded, as under "
                "keras.RematScope, tf.recompute_grad or tf.custom_gradient: the layer would be "
                "computed again after its draw is closed, with other weights. Build Bayesian "
                "layers outside of the RematScope."
            )
        graph = current = _graph()
        while graph is not None and graph is not self._graph:
            graph = enclosing_control_flow(graph)
        if graph is self._graph and (graph is None) == (current is None):
            return
        raise RuntimeError(
            "this Draw was opened outside of the tf.function that now calls a layer in it: its "
            "seed would be frozen into the traced graph, and later draws ignored. Open the draw "
            "inside of the function and pass seed or step as a tensor argument:\n"
            "  @tf.function\n"
            "  def f(x, step):\n"
            "      with bnn.Draw(seed=0, estimator=estimator, step=step):\n"
            "          return model(x)"
        )


class PriorDraw(Draw):
    """A draw of all weights from their priors, whatever the posterior is.

    Args:
      noise: coordinates of everything random.
    """

    def __init__(self, noise: Any) -> None:
        super().__init__(noise, Reparameterization())

    def _make(self, site: Site, like: tf.Tensor) -> Realisation:
        with self._outside_of_loops(site, like):
            weights = _of_prior(site, self.noise.at(site=self._number(site)))
            return one_tensor(site.operator, weights)


def _of_prior(site: Site, noise: Noise) -> tf.Tensor:
    """A draw from p(w), of the tensor's shape; ValueError where that is a density alone."""
    prior, shape = site.prior, site.posterior.shape
    if hasattr(prior, "current_scale") and hasattr(prior, "loc"):
        return prior.loc + prior.current_scale() * noise.normal(shape)
    try:
        distribution = prior.distribution()
    except NotImplementedError as missing:
        raise ValueError(
            f"functions of the prior need priors that can be drawn from, got {prior!r} at site "
            f"{site.label!r}, which has a density alone; use one with a distribution of TFP, such "
            "as bnn.priors.Normal()."
        ) from missing
    if distribution.event_shape.rank == 0:  # of one element, or of what broadcasts to the tensor
        distribution = tfd.BatchBroadcast(distribution, shape)
    return distribution.sample(seed=tf.bitcast(noise.bits((2,)), tf.int32))


def current_draw() -> Draw | None:
    """The innermost open draw of this thread, or None."""
    stack = _stack()
    return stack[-1] if stack else None


def _stack() -> list[Draw]:
    if not hasattr(_ACTIVE, "stack"):
        _ACTIVE.stack = []
    return _ACTIVE.stack


def _graph() -> Any:
    """The graph in which operations are being made; None in eager mode."""
    return tf.compat.v1.get_default_graph() if tf.inside_function() else None


def _total(parts: Any) -> tf.Tensor:
    tensors = [part for part in parts if tf.is_tensor(part)]
    return tf.add_n(tensors) if tensors else tf.constant(0.0)
