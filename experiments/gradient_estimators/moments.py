"""Exact variances of the gradient estimators for polynomials f of a normal variable.

With x = μ + σ ε, ε ~ N(0, 1), everything is a polynomial in ε, and E[εⁿ] = (n − 1)!! for even n,
0 for odd n. For f(x) = (x − k)² and a = μ − k this gives, for the gradient in μ and one sample,
4σ² by reparameterization and a⁴/σ² + 14a² + 15σ² by the score function; in σ, 4a² + 8σ² and
2a⁴/σ² + 60a² + 74σ².
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Polynomial
from scipy import integrate, stats


def expectation(polynomial: Polynomial) -> float:
    """E[p(ε)], ε ~ N(0, 1)."""
    moments = [math.prod(range(n - 1, 0, -2)) if n % 2 == 0 else 0 for n in range(40)]
    coefficients = polynomial.coef
    return float(np.dot(coefficients, moments[: len(coefficients)]))


def variance(polynomial: Polynomial) -> float:
    """Var[p(ε)]."""
    return expectation(polynomial**2) - expectation(polynomial) ** 2


class Square:
    """f(x) = (x − k)² under N(μ, σ²): exact gradient, and variances of its estimators.

    Every method gives a pair: in μ, and in ρ where σ = softplus(ρ), dσ/dρ = 1 − exp(−σ). All are
    variances of one gradient estimate from S samples, multiplied by S: what one sample is worth.

    Args:
      k: where f is zero.
      loc: μ.
      scale: σ.
    """

    def __init__(self, k: float, loc: float, scale: float) -> None:
        self.a, self.scale = loc - k, scale
        self.slope = -math.expm1(-scale)
        epsilon = Polynomial([0, 1])
        self.f = (self.a + scale * epsilon) ** 2
        path = 2 * (self.a + scale * epsilon)
        self.paths = (path, path * epsilon * self.slope)
        self.scores = (epsilon / scale, (epsilon**2 - 1) / scale * self.slope)

    def gradient(self) -> np.ndarray:
        """∇E[f] = (2a, 2σ dσ/dρ)."""
        return np.array([2 * self.a, 2 * self.scale * self.slope])

    def reparameterization(self) -> np.ndarray:
        """Var[∇ f(μ + σ ε)]."""
        return np.array([variance(path) for path in self.paths])

    def antithetic(self) -> np.ndarray:
        """2 Var[(∇f(ε) + ∇f(−ε)) / 2]: the odd powers of ε cancel, 0 in μ."""
        even = [
            Polynomial(np.where(np.arange(len(p.coef)) % 2 == 0, p.coef, 0)) for p in self.paths
        ]
        return np.array([2 * variance(p) for p in even])

    def score(self, mean: float = 0.0, spread: float = 0.0) -> np.ndarray:
        """Var[(f − b) ψ], ψ = ∇ log q, for b with this mean and variance, independent of ε."""
        return np.array(
            [variance((self.f - mean) * psi) + spread * expectation(psi**2) for psi in self.scores]
        )

    def running_mean(self, decay: float) -> np.ndarray:
        """`score` with an exponential running mean of earlier f, one sample a step.

        Its mean is E[f], its variance Var[f] (1 − d) / (1 + d).
        """
        spread = variance(self.f) * (1 - decay) / (1 + decay)
        return self.score(expectation(self.f), spread)

    def leave_one_out(self, num_samples: int) -> np.ndarray:
        """S Var of the sample covariance of f and ψ, which leave-one-out amounts to.

        Var = [μ₂₂ − (S − 2)/(S − 1) μ₁₁² + μ₂₀ μ₀₂/(S − 1)] / S with central moments of (f, ψ).
        """
        f, s = self.f - expectation(self.f), num_samples
        return np.array(
            [
                expectation(f**2 * psi**2)
                - (s - 2) / (s - 1) * expectation(f * psi) ** 2
                + expectation(f**2) * expectation(psi**2) / (s - 1)
                for psi in self.scores
            ]
        )

    def importance(self, widening: float, share: float) -> np.ndarray:
        """Var[w f ψ] for draws from α q + (1 − α) q_wide, w = q/r; by quadrature."""

        def square(epsilon: float, psi: Polynomial) -> float:
            wide = stats.norm.pdf(epsilon, scale=widening)
            narrow = stats.norm.pdf(epsilon)
            proposal = share * narrow + (1 - share) * wide
            return (self.f * psi)(epsilon) ** 2 * narrow**2 / proposal

        squares = [integrate.quad(square, -12, 12, (psi,), limit=200) for psi in self.scores]
        return np.array([value for value, _ in squares]) - self.gradient() ** 2
