"""A package that knows bnn as a stranger does: by its public names alone.

`import my_package` as the first line of a gin file registers everything in it.
"""

from my_package import ensemble, langevin, low_rank, lstm_cell, twice, waves

__all__ = ["ensemble", "langevin", "low_rank", "lstm_cell", "twice", "waves"]
