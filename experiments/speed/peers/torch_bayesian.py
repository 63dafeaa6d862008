"""bayesian-torch's layers, which return their KL (its mean, which costs the same as the sum)."""

from __future__ import annotations

import functools
import math

import torch
from bayesian_torch import layers as bt

from experiments.speed.cases import INITIAL_SCALE, PRIOR_SCALE, Case, forward
from experiments.speed.peers import Run, Variants
from experiments.speed.peers.torch_ops import Ops, train

_LAYERS = {
    "reparameterization": (bt.LinearReparameterization, bt.Conv2dReparameterization),
    "flipout": (bt.LinearFlipout, bt.Conv2dFlipout),
}


def _train(case: Case, estimator: str, compiled: bool) -> Run:
    linear, convolution = _LAYERS[estimator]
    options = {
        "prior_mean": 0.0,
        "prior_variance": PRIOR_SCALE,
        "posterior_mu_init": 0.0,
        "posterior_rho_init": math.log(math.expm1(INITIAL_SCALE)),
    }
    modules = torch.nn.ModuleList()
    for of in case.layers:
        if of.dense:
            modules.append(linear(of.inputs, of.outputs, **options))
        else:
            padding = of.size // 2 if of.same else 0
            modules.append(
                convolution(
                    of.inputs, of.outputs, of.size, stride=of.stride, padding=padding, **options
                )
            )

    def network(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total = torch.zeros(())

        def layer(i: int, x: torch.Tensor) -> torch.Tensor:
            nonlocal total
            x, kl = modules[i](x)
            total = total + kl
            return x

        return forward(case.network, x, layer, Ops), total

    return train(case, modules.parameters(), network, compiled)


def variants(case: Case) -> Variants:
    """Both of the library's estimators, eagerly and compiled."""
    return {
        f"{estimator}/{form}": functools.partial(_train, case, estimator, compiled)
        for estimator in _LAYERS
        for form, compiled in (("eager", False), ("torch.compile", True))
    }
