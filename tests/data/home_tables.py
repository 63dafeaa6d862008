"""A table of homes with numbers, categories, dates and classes; skips where pandas is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")


def homes(count: int = 60) -> Any:
    random = np.random.RandomState(0)
    return pandas.DataFrame(
        {
            "age": random.randint(18, 90, count),
            "income": random.normal(3e4, 1e4, count),
            "city": random.choice(["Rome", "Oslo", "Bonn"], count),
            "joined": pandas.date_range("2020-01-01", periods=count, freq="11D").strftime(
                "%Y-%m-%d"
            ),
            "floor": random.randint(0, 3, count),
            "price": random.normal(200.0, 50.0, count),
            "rent": random.normal(10.0, 2.0, count),
            "grade": random.choice(["good", "bad"], count),
        }
    )


def write(path: Path, frame: Any, name: str = "homes.csv") -> Path:
    frame.to_csv(path / name, index=False)
    return path / name
