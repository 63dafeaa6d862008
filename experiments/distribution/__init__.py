"""Runs on several replicas, killed runs and several workers, held against undisturbed ones."""
