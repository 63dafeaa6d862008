import pathlib
import re

import numpy as np

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_examples_run_as_they_stand(capsys):
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)  # our own file, read by our own test
    assert names["samples"].shape == (32, 360, 10)
    assert set(names["kl"]) == {"0_dense/kernel", "0_dense/bias", "1_dense/kernel", "1_dense/bias"}
    predicted = np.argmax(names["predictive"].probs, axis=1)
    assert np.mean(predicted == names["data"].y_test) > 0.8
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(float(names["loss"]))
    assert capsys.readouterr().out == ""


def test_every_path_of_the_map_exists():
    root = pathlib.Path(__file__).parents[1]
    table = README.split("## Map")[1].split("## Adding one")[0]
    paths = [p for p in re.findall(r"`([\w/]+(?:/|\.py))`", table) if "/" in p]
    assert len(paths) > 15
    assert [p for p in paths if not (root / p).exists()] == []
