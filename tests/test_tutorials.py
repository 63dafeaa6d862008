"""The tutorials are scripts that run, check themselves, make their figures and are notebooks."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
NEEDS = {"table_with_gaps": "pandas"}
DATA = {"mnist_cnn_from_keras": ("mnist", "kmnist")}  # folders of BNN_DATA_DIR
SECONDS = 120  # of processor time of one core each, which two cores halve at best


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_a_notebook_of_text_and_code(path):
    """As Jupytext reads it: every cell begins with its mark, texts are comments throughout."""
    cells = re.split(r"^# %%", path.read_text(), flags=re.MULTILINE)
    assert cells[0] == "", "a tutorial begins with a mark"
    texts = [cell for cell in cells[1:] if cell.startswith(" [markdown]\n")]
    assert texts[0].startswith(" [markdown]\n# # "), "and with its title"
    assert all(line.startswith("#") for cell in texts for line in cell.strip().splitlines()[1:])
    assert len(texts) >= 3
    assert f"docs/tutorials/{path.name}" in (ROOT / "docs/pages/tutorials.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path):
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem])
    for name in DATA.get(path.stem, ()):
        if not (pathlib.Path(os.environ.get("BNN_DATA_DIR", "")) / name).is_dir():
            pytest.skip(f"needs the data set {name}: set BNN_DATA_DIR to the folder that holds it")
    environ = {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = os.times()
    done = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert after.children_user - before.children_user < 2 * SECONDS
    for name in re.findall(r'"(\w+\.png)"', path.read_text()):
        assert (tmp_path / name).stat().st_size > 5000
