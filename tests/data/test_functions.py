from pathlib import Path

import gin
import numpy as np
import pytest

from bnn.data import Dataset, from_function

SOURCE = """
import numpy as np
from bnn.data import regression_dataset

def line(count=10, slope=1.0):
    x = np.arange(count, dtype=float)[:, None]
    return regression_dataset("line", (x, slope * x), (x, slope * x))

def wrong():
    return [1, 2]

constant = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_data.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_data"


@pytest.mark.parametrize("function", ["own_data:line", "own_data.line"])
@pytest.mark.usefixtures("module")
def test_a_function_gives_the_data(function):
    data = from_function(function, count=20, slope=3.0)
    assert data.num_train == 20
    np.testing.assert_allclose(data.target_scale, 3 * data.input_scale)


@pytest.mark.usefixtures("module", "clean_gin")
def test_gin_binds_the_functions_arguments():
    @gin.configurable("functions_root", module="test")
    def root(data: Dataset = gin.REQUIRED) -> Dataset:
        return data

    gin.parse_config(
        "functions_root.data = @from_function()\n"
        "from_function.function = 'own_data:line'\nfrom_function.count = 7"
    )
    assert root().num_train == 7


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("line", "function must be 'module:name' of a function that gives a Dataset, got 'line'"),
        (3, "got 3"),
        (
            "own_dat:line",
            r"must name a module that can be imported, got 'own_dat' \(No module named",
        ),
        ("own_data:lines", "must name a function in own_data, got 'lines'; correct the name"),
        ("own_data:constant", "must name a function in own_data, got 'constant'"),
        ("own_data:wrong", "own_data:wrong must give a bnn.data.Dataset, got list; build one with"),
    ],
)
def test_what_is_no_such_function_is_named(function, message):
    with pytest.raises(ValueError, match=message):
        from_function(function)
