"""What the two PyTorch peers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as functional

from experiments.speed.cases import LEARNING_RATE, Case
from experiments.speed.peers import Run


class Ops:
    """Operations of `cases.forward`, images `[B, channels, height, width]`."""

    relu = staticmethod(torch.relu)

    @staticmethod
    def pool(x: Any) -> Any:
        """Maximum of 2 × 2."""
        return functional.max_pool2d(x, 2)

    @staticmethod
    def flatten(x: Any) -> Any:
        """Images to vectors."""
        return x.flatten(1)

    @staticmethod
    def average(x: Any) -> Any:
        """Mean over positions."""
        return x.mean((2, 3))


def train(
    case: Case,
    parameters: Iterable[torch.Tensor],
    network: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    compiled: bool,
) -> Run:
    """Training with the fused Adam; `network` gives outputs and the KL."""
    torch.set_num_threads(2)
    x, y = case.data()
    if len(case.input_shape) == 3:
        x = x.transpose(0, 3, 1, 2).copy()
    xs, ys = (torch.from_numpy(a.reshape(8, case.batch, *a.shape[1:])) for a in (x, y))
    if not case.regression:
        ys = ys.long()
    noise = torch.zeros((), requires_grad=True)
    parameters = [*parameters, *([noise] if case.regression else [])]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        outputs, kl = network(x)
        if case.regression:
            variance = functional.softplus(noise) ** 2
            nll = 0.5 * ((y - outputs) ** 2 / variance + variance.log()).mean()
        else:
            nll = functional.cross_entropy(outputs, y)
        return nll + kl / case.num_train

    loss_function = torch.compile(loss_of) if compiled else loss_of

    def run(k: int) -> None:
        for i in range(k):
            optimizer.zero_grad(set_to_none=True)
            loss_function(xs[i % 8], ys[i % 8]).backward()
            optimizer.step()

    return run
