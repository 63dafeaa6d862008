"""A Bayesian LSTM and Transformer beside the deterministic ones, on generated sequences."""
