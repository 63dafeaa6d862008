"""Computes one step of a run again: `python -m bnn.replay`, whose code is in `__main__.py`."""
