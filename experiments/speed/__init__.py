"""The benchmark: a training step and a prediction, beside what else a user could pick."""
