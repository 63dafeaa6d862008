"""Priors p(w) of one weight tensor."""

from bnn.priors.ard import ARD
from bnn.priors.around import Around
from bnn.priors.array_normal import ArrayNormal
from bnn.priors.correlated_convolution import CorrelatedConvolution
from bnn.priors.elementwise_normal import ElementwiseNormal
from bnn.priors.fan_in_normal import FanInNormal
from bnn.priors.function_space_normal import FunctionSpaceNormal
from bnn.priors.hierarchical_normal import HierarchicalNormal
from bnn.priors.horseshoe import Horseshoe
from bnn.priors.laplace import Laplace
from bnn.priors.learned_mixture import LearnedMixture
from bnn.priors.log_uniform import LogUniform
from bnn.priors.matrix_normal import MatrixNormal
from bnn.priors.normal import Normal
from bnn.priors.prior import Prior
from bnn.priors.processes import Process, SquaredExponential
from bnn.priors.scale_mixture import ScaleMixture
from bnn.priors.spike_and_slab import SpikeAndSlab
from bnn.priors.student_t import Cauchy, StudentT

__all__ = [
    "ARD",
    "Around",
    "ArrayNormal",
    "Cauchy",
    "CorrelatedConvolution",
    "ElementwiseNormal",
    "FanInNormal",
    "FunctionSpaceNormal",
    "HierarchicalNormal",
    "Horseshoe",
    "Laplace",
    "LearnedMixture",
    "LogUniform",
    "MatrixNormal",
    "Normal",
    "Prior",
    "Process",
    "ScaleMixture",
    "SpikeAndSlab",
    "SquaredExponential",
    "StudentT",
]
