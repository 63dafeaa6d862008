"""The same Laplace approximations by laplace-torch (Daxberger et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from laplace import Laplace

from experiments.references.peers import serve
from experiments.references.problems import PRECISION, Network

STRUCTURES = {"full": "full", "kfac": "kron", "diagonal": "diag"}


class _ChannelsLast(torch.nn.Module):
    """Features in Keras's order."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`[B, C, H, W]` to `[B, H W C]`."""
        return features.permute(0, 2, 3, 1).flatten(1)


def model(network: Network) -> torch.nn.Module:
    """With the network's weights, transposed as PyTorch has them."""
    *_, kernel, _ = network.weights
    if network.window is None:
        hidden = torch.nn.Linear(*network.weights[0].shape)
        first = [hidden, torch.nn.Tanh()]
    else:
        *_, channels, filters = network.weights[0].shape
        convolution = torch.nn.Conv2d(channels, filters, network.window, bias=False)
        first = [convolution, torch.nn.Tanh(), _ChannelsLast()]
    found = torch.nn.Sequential(*first, torch.nn.Linear(*kernel.shape))
    with torch.no_grad():
        for parameter, value in zip(found.parameters(), network.weights, strict=True):
            order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
            parameter.copy_(torch.tensor(np.ascontiguousarray(value.transpose(order))))
    return found


def images(network: Network, inputs: np.ndarray) -> torch.Tensor:
    """Inputs with the channels where PyTorch has them."""
    return torch.tensor(inputs if network.window is None else inputs.transpose(0, 3, 1, 2).copy())


def evaluate(network: Network, structure: str, last: bool) -> dict[str, Any]:
    """Log marginal likelihood in nats, and outputs' variances at the points, `[B, C]`."""
    classes = network.noise is None
    laplace = Laplace(
        model(network),
        "classification" if classes else "regression",
        subset_of_weights="last_layer" if last else "all",
        hessian_structure=STRUCTURES[structure],
        prior_precision=PRECISION,
        **({} if network.noise is None else {"sigma_noise": network.noise}),
    )
    targets = torch.tensor(network.targets.astype(np.int64) if classes else network.targets)
    data = torch.utils.data.TensorDataset(images(network, network.inputs), targets)
    laplace.fit(torch.utils.data.DataLoader(data, batch_size=len(data)))
    covariance = laplace._glm_predictive_distribution(images(network, network.points))[1]
    return {
        "evidence": float(laplace.log_marginal_likelihood().detach()),
        "variances": covariance.detach().diagonal(dim1=1, dim2=2).numpy().tolist(),
    }


def answer(asked: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """By network, and structure and layers that are asked for."""
    networks = [_network(held) for held in asked["networks"]]
    chosen = asked["structures"]
    return [[evaluate(network, *structure) for structure in chosen] for network in networks]


def _network(held: dict[str, Any]) -> Network:
    """From lists."""
    classes = held["noise"] is None
    arrays = {name: np.array(held[name], np.float32) for name in ("inputs", "points", "targets")}
    if classes:
        arrays["targets"] = arrays["targets"].astype(np.int64)
    weights = [np.array(value, np.float32) for value in held["weights"]]
    return Network(**{**held, **arrays, "weights": weights})


if __name__ == "__main__":
    serve(answer)
