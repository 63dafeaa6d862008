"""Arguments that are right but for one value, and what is said of it."""

import re

import numpy as np
import pytest


def with_value(array, index, value):
    changed = np.array(array)
    changed[index] = value
    return changed


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")
