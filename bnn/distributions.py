"""TensorFlow Probability's distributions, imported when the first of them is used.

The import takes about as long as compiling a training step, and most of training needs none.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """The distribution or function of that name in `tensorflow_probability.distributions`."""
    from tensorflow_probability import distributions

    return getattr(distributions, name)
