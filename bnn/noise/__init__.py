"""Counter-based noise: every random number is a pure function of named coordinates."""

from bnn.noise.coordinates import Noise, Purpose, as_noise
from bnn.noise.generator import threefry
from bnn.noise.sobol import Sobol

__all__ = ["Noise", "Purpose", "Sobol", "as_noise", "threefry"]
