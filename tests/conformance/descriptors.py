"""The one table of everything that can be chosen: what is not in it slips past no test.

Each room keeps its rows beside its tests, with what these need to know of a part; here they stand
together, and `test_descriptors.py` compares them with the public names.
"""

from bnn import estimators as e
from bnn import methods, objectives
from bnn import operators as o
from tests.conformance.cells import ESTIMATORS
from tests.layers.descriptors import DESCRIPTORS as LAYERS
from tests.likelihoods.descriptors import BY_NAME as LIKELIHOODS
from tests.likelihoods.descriptors import WRAPPERS
from tests.posteriors.descriptors import POSTERIORS
from tests.priors.descriptors import PRIORS

# Shapes of weights and inputs of every map.
OPERATORS = {
    o.Bias: ((3,), (4, 2)),
    o.Convolution: ((2, 2, 3), (4, 5, 2)),
    o.ConvolutionTranspose: None,  # by the layer's row
    o.Dense: ((2, 3), (4, 2)),
    o.DepthwiseConvolution: None,
    o.Einsum: None,
    o.Lookup: None,
    o.Offset: None,
    o.Pointwise: None,
    o.Scale: None,
    o.Value: ((2, 3), (4, 2)),
}
METHODS = {
    methods.AnchoredMAP: {},
    methods.ConditionalLastLayer: {"num_samples": 2},
    methods.DDU: {"jitter": 1e-3},
    methods.DeepEnsemble: {"num_members": 2},
    methods.IVON: {"hessian_decay": 0.99},
    methods.Laplace: {"structure": "full", "prior_precision": "layer"},
    methods.MAP: {},
    methods.MCDropout: {"rate": 0.2},
    methods.MCLMC: {"energy_variance": 1e-3},
    methods.SWA: {},
    methods.SWAG: {"rank": 5},
    methods.HMC: {"num_leapfrog_steps": 5},
    methods.MomentPropagation: {"kl_weight": 0.5},
    methods.SnapshotEnsemble: {"num_cycles": 3},
    methods.SNGP: {"num_features": 64},
    methods.StackedEnsemble: {"num_members": 3},
    methods.VBLL: {"initial_scale": 0.2},
    methods.NUTS: {"max_tree_depth": 4},
    methods.SGHMC: {"momentum": 0.95},
    methods.SGLD: {"preconditioned": True},
    methods.VariationalInference: {"estimator": e.Flipout()},
}
OBJECTIVES = {
    objectives.ImportanceWeightedBound: {"num_samples": 3},
    objectives.NegativeELBO: {"num_samples": 2, "antithetic": True},
    objectives.RenyiBound: {"alpha": 0.5, "num_samples": 3},
    objectives.StickingTheLanding: {"num_samples": 2},
}

TABLE = {
    "layers": {row.layer for row in LAYERS.values()}
    | {"FilterResponseNormalization", "LoRA", "PositionEmbedding", "WeightSpace"},
    "posteriors": {name.split()[0] for name in POSTERIORS} | {"Point"},
    "priors": {name.split()[0] for name in PRIORS},
    "likelihoods": set(LIKELIHOODS) | WRAPPERS,
    "estimators": {type(make()).__name__ for make in ESTIMATORS.values()},
    "operators": {kind.__name__ for kind in OPERATORS},
    "methods": {kind.__name__ for kind in METHODS},
    "objectives": {kind.__name__ for kind in OBJECTIVES},
}
