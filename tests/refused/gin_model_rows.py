"""Values that parameters of models cannot have: layers, likelihoods, posteriors, priors.

Configurable → parameter → texts as in a gin file.
"""

BAD_VALUES = {
    "BatchNormalization": {
        "axis": ["2.5", "True"],
        "momentum": ["-0.5", "1e999"],
        "epsilon": ["-0.5", "1e999"],
        "synchronized": ["'yes'", "None"],
        "center": ["'yes'", "None"],
        "scale": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "Conv2D": {
        "filters": ["0", "5000000000000"],
        "kernel_size": ["0", "5000000000000"],
        "strides": ["0", "5000000000000"],
        "padding": ["7", "('a', 5)"],
        "data_format": ["7", "('a', 5)"],
        "dilation_rate": ["0", "5000000000000"],
        "groups": ["0", "5000000000000"],
        "activation": ["'nothing'", "7"],
        "use_bias": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "Dense": {
        "units": ["0", "5000000000000"],
        "activation": ["'nothing'", "7"],
        "use_bias": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "DepthwiseConv2D": {
        "kernel_size": ["0", "5000000000000"],
        "strides": ["0", "5000000000000"],
        "padding": ["7", "('a', 5)"],
        "depth_multiplier": ["0", "5000000000000"],
        "data_format": ["7", "('a', 5)"],
        "dilation_rate": ["0", "5000000000000"],
        "activation": ["'nothing'", "7"],
        "filters": ["0", "5000000000000"],
        "groups": ["0", "5000000000000"],
        "use_bias": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "EinsumDense": {
        "equation": ["7", "('a', 5)"],
        "output_shape": ["2.5", "True"],
        "activation": ["'nothing'", "7"],
        "bias_axes": ["7", "('a', 5)"],
        "use_bias": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "Embedding": {
        "input_dim": ["0", "5000000000000"],
        "output_dim": ["0", "5000000000000"],
        "mask_zero": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "LSTM": {
        "units": ["0", "5000000000000"],
        "activation": ["'nothing'", "7"],
        "use_bias": ["'yes'", "None"],
        "unit_forget_bias": ["'yes'", "None"],
        "dropout": ["-0.5", "1e999"],
        "recurrent_dropout": ["-0.5", "1e999"],
        "return_sequences": ["'yes'", "None"],
        "return_state": ["'yes'", "None"],
        "go_backwards": ["'yes'", "None"],
        "stateful": ["'yes'", "None"],
        "unroll": ["'yes'", "None"],
        "zero_output_for_mask": ["'yes'", "None"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "LoRA": {
        "layer": ["'name'", "@Flipout"],
        "rank": ["0", "5000000000000"],
        "alpha": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
        "autocast": ["'yes'", "None"],
    },
    "Beta": {
        "precision": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "Categorical": {
        "label_smoothing": ["-0.5", "1e999"],
    },
    "Gamma": {
        "concentration": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "Heads": {
        "likelihoods": ["'name'", "@Flipout"],
        "weights": ["-0.5", "1e999"],
    },
    "HeteroscedasticNormal": {
        "min_scale": ["-0.5", "1e999"],
    },
    "likelihoods.Laplace": {
        "scale": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "LogNormal": {
        "scale": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "MixtureDensity": {
        "num_components": ["0", "5000000000000"],
        "min_scale": ["-0.5", "1e999"],
    },
    "MultivariateNormal": {
        "min_scale": ["-0.5", "1e999"],
    },
    "NegativeBinomial": {
        "concentration": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "likelihoods.Normal": {
        "scale": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "Positions": {
        "likelihood": ["'name'", "@Flipout"],
        "ignore": ["'half'", "1e999"],
    },
    "Quantile": {
        "level": ["-0.5", "1e999"],
        "scale": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "SoftCategorical": {
        "label_smoothing": ["-0.5", "1e999"],
    },
    "likelihoods.StudentT": {
        "scale": ["-0.5", "1e999"],
        "df": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "Weibull": {
        "concentration": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "lenet5": {
        "activation": ["'nothing'", "7"],
        "kernel_posterior": ["'name'", "@Point"],
        "bias_posterior": ["'name'", "@Point"],
        "kernel_prior": ["'name'", "@Flipout"],
        "bias_prior": ["'name'", "@Flipout"],
    },
    "mlp": {
        "hidden": ["0", "5000000000000"],
        "activation": ["'nothing'", "7"],
        "kernel_posterior": ["'name'", "@Point"],
        "bias_posterior": ["'name'", "@Point"],
        "kernel_prior": ["'name'", "@Flipout"],
        "bias_prior": ["'name'", "@Flipout"],
    },
    "BatchEnsemble": {
        "num_members": ["0", "5000000000000"],
        "separation": ["-0.5", "1e999"],
    },
    "GroupHorseshoe": {
        "initial_scale": ["-0.5", "1e999"],
        "global_scale": ["-0.5", "1e999"],
        "initial_spread": ["-0.5", "1e999"],
    },
    "SpikeAndSlabNormal": {
        "inclusion": ["1.5", "-0.5"],
        "prior_inclusion": ["1.5", "-0.5"],
        "initial_scale": ["-0.5", "1e999"],
        "temperature": ["1.5", "-0.5"],
    },
    "ConcreteDropout": {
        "initial_rate": ["-0.5", "1e999"],
        "temperature": ["-0.5", "1e999"],
    },
    "CouplingFlow": {
        "num_couplings": ["0", "5000000000000"],
        "hidden_units": ["0", "5000000000000"],
        "initial_scale": ["-0.5", "1e999"],
    },
    "FullCovarianceNormal": {
        "initial_scale": ["-0.5", "1e999"],
        "max_size": ["0", "5000000000000"],
    },
    "KTiedNormal": {
        "rank": ["0", "5000000000000"],
        "initial_scale": ["-0.5", "1e999"],
    },
    "LowRankNormal": {
        "rank": ["0", "5000000000000"],
        "initial_scale": ["-0.5", "1e999"],
        "scale_transform": ["'name'", "@Flipout"],
    },
    "posteriors.MCDropout": {
        "rate": ["-0.5", "1e999"],
    },
    "posteriors.MatrixNormal": {
        "initial_scale": ["-0.5", "1e999"],
    },
    "MeanFieldNormal": {
        "initial_scale": ["-0.5", "1e999"],
        "scale_transform": ["'name'", "@Flipout"],
    },
    "Mixture": {
        "num_components": ["0", "5000000000000"],
        "initial_scale": ["-0.5", "1e999"],
        "separation": ["-0.5", "1e999"],
        "scale_transform": ["'name'", "@Flipout"],
    },
    "Radial": {
        "initial_scale": ["-0.5", "1e999"],
        "scale_transform": ["'name'", "@Flipout"],
    },
    "RankOne": {
        "initial_scale": ["-0.5", "1e999"],
        "num_components": ["0", "5000000000000"],
        "factor_prior_scale": ["-0.5", "1e999"],
        "separation": ["-0.5", "1e999"],
    },
    "VariationalDropout": {
        "initial_scale": ["-0.5", "1e999"],
        "scale_transform": ["'name'", "@Flipout"],
    },
    "ARD": {
        "channels": ["7", "('a', 5)"],
        "scale": ["-0.5", "1e999"],
    },
    "Around": {
        "scale": ["-0.5", "1e999"],
    },
    "Cauchy": {
        "loc": ["'half'", "1e999"],
        "scale": ["-0.5", "1e999"],
    },
    "CorrelatedConvolution": {
        "scale": ["-0.5", "1e999"],
        "length_scale": ["-0.5", "1e999"],
    },
    "FanInNormal": {
        "gain": ["-0.5", "1e999"],
    },
    "FunctionSpaceNormal": {
        "scale": ["-0.5", "1e999"],
    },
    "SquaredExponential": {
        "scale": ["-0.5", "1e999"],
        "length_scale": ["-0.5", "1e999"],
    },
    "HierarchicalNormal": {
        "shape": ["-0.5", "1e999"],
        "rate": ["-0.5", "1e999"],
        "scale": ["-0.5", "1e999"],
    },
    "Horseshoe": {
        "scale": ["-0.5", "1e999"],
        "slab_scale": ["-0.5", "1e999"],
    },
    "priors.Laplace": {
        "loc": ["'half'", "1e999"],
        "scale": ["-0.5", "1e999"],
    },
    "LearnedMixture": {
        "num_components": ["0", "5000000000000"],
        "scale": ["-0.5", "1e999"],
    },
    "priors.MatrixNormal": {
        "scale": ["-0.5", "1e999"],
        "row_correlation": ["1.5", "1e999"],
        "column_correlation": ["1.5", "1e999"],
    },
    "priors.Normal": {
        "loc": ["'half'", "1e999"],
        "scale": ["-0.5", "1e999"],
        "trainable": ["'yes'", "None"],
    },
    "ScaleMixture": {
        "weight": ["-0.5", "1e999"],
        "wide_scale": ["-0.5", "1e999"],
        "narrow_scale": ["-0.5", "1e999"],
    },
    "SpikeAndSlab": {
        "weight": ["-0.5", "1e999"],
        "slab_scale": ["-0.5", "1e999"],
        "spike_scale": ["-0.5", "1e999"],
    },
    "priors.StudentT": {
        "df": ["-0.5", "1e999"],
        "loc": ["'half'", "1e999"],
        "scale": ["-0.5", "1e999"],
    },
}
