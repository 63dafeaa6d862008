"""IVON by its authors' package, ivon-opt (Shen et al. 2024), on a linear regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ivon import IVON

from experiments.references.peers import serve


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Means and deviations of q after every `every` steps, `[T, P]` each."""
    x = torch.tensor(asked["inputs"], dtype=torch.float32)
    y = torch.tensor(asked["targets"], dtype=torch.float32)
    number = len(x)
    torch.manual_seed(asked["seed"])
    torch.set_num_threads(1)
    weights = torch.nn.Parameter(torch.zeros(x.shape[1]))
    decay = asked["precision"] / number
    optimizer = IVON(
        [weights],
        lr=asked["rate"],
        ess=number,
        hess_init=1 / (number * asked["scale"] ** 2) - decay,
        beta1=asked["momentum"],
        beta2=asked["decay"],
        weight_decay=decay,
        rescale_lr=False,
    )
    means, deviations = [], []
    for step in range(asked["steps"]):
        with optimizer.sampled_params(train=True):
            optimizer.zero_grad()
            loss = 0.5 * torch.mean(torch.square(y - x @ weights)) / asked["noise"] ** 2
            loss.backward()
        optimizer.step()
        if (step + 1) % asked["every"] == 0:
            means.append(weights.detach().numpy().copy())
            (group,) = optimizer.param_groups
            hessian = group["hess"].numpy()
            deviations.append((number * (hessian + decay)) ** -0.5)
    return {"means": np.array(means, np.float64), "deviations": np.array(deviations, np.float64)}


if __name__ == "__main__":
    serve(answer)
