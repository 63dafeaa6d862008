"""Mean-field variational inference as one writes it in PyTorch: fused Adam, torch.compile."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
import torch.nn.functional as functional

from experiments.speed.cases import INITIAL_SCALE, Case, forward
from experiments.speed.peers import Run, Variants
from experiments.speed.peers.torch_ops import Ops, train


def _apply(case: Case, i: int, x: Any, kernel: Any, bias: Any) -> Any:
    layer = case.layers[i]
    if layer.dense:
        return functional.linear(x, kernel, bias)
    padding = layer.size // 2 if layer.same else 0
    return functional.conv2d(x, kernel, bias, stride=layer.stride, padding=padding)


def _train(case: Case, estimator: str, compiled: bool) -> Run:
    rho = math.log(math.expm1(INITIAL_SCALE))
    sites = []  # kernel mean, bias mean, their unconstrained scales
    for layer in case.layers:
        *side, inputs, outputs = layer.kernel_shape
        shapes = (outputs, inputs, *side), (outputs,)
        kernel = torch.randn(shapes[0]) * math.sqrt(2.0 / (math.prod(side) * inputs))
        values = (kernel, torch.zeros(outputs), *(torch.full(shape, rho) for shape in shapes))
        sites.append([value.requires_grad_() for value in values])

    def network(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kl = torch.zeros(())

        def layer(i: int, x: torch.Tensor) -> torch.Tensor:
            nonlocal kl
            kernel, bias, *rhos = sites[i]
            scales = [functional.softplus(r) for r in rhos]
            for loc, scale in zip((kernel, bias), scales, strict=True):
                kl = kl + 0.5 * (scale**2 + loc**2 - 1.0 - 2.0 * scale.log()).sum()
            if estimator == "reparameterization":
                kernel = kernel + scales[0] * torch.randn_like(kernel)
                bias = bias + scales[1] * torch.randn_like(bias)
                return _apply(case, i, x, kernel, bias)
            mean = _apply(case, i, x, kernel, bias)
            variance = _apply(case, i, x**2, scales[0] ** 2, scales[1] ** 2)
            return mean + variance.sqrt() * torch.randn_like(mean)

        return forward(case.network, x, layer, Ops), kl

    return train(case, [value for site in sites for value in site], network, compiled)


def variants(case: Case) -> Variants:
    """Both estimators, eagerly and compiled."""
    return {
        f"{estimator}/{form}": functools.partial(_train, case, estimator, compiled)
        for estimator in ("reparameterization", "lrt")
        for form, compiled in (("eager", False), ("torch.compile", True))
    }
