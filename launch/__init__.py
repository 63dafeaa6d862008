"""Launchers: they build command lines of `python -m bnn.run` and submit them, nothing else.

`launch.local` starts a group of workers on this machine, `launch.slurm` submits a job, and
`launch.sweep` runs a grid of bindings with either. None imports TensorFlow, so that they start at
once, and on login nodes too.
"""
