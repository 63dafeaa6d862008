"""Data found by `--data_dir`, and what is wrong with them."""

import gzip
import json
import struct

import numpy as np
import pytest

from tests.runs.command_line import CONFIGS, bindings


def write_mnist(folder, images, labels):
    """Both splits from the same arrays."""
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(content)


@pytest.fixture
def mnist(tmp_path):
    """A folder of data sets with an MNIST of 20 images."""
    random = np.random.RandomState(0)
    write_mnist(
        tmp_path / "data" / "mnist", random.randint(0, 256, (20, 28, 28)), np.arange(20) % 10
    )
    return tmp_path / "data"


def run_mnist(command, tmp_path, data_dir):
    small = bindings(run__batch_size="5", run__epochs="0.25")
    mnist_file = f"--gin_file={CONFIGS / 'data' / 'mnist.gin'}"
    return command(tmp_path / "run", mnist_file, f"--data_dir={data_dir}", *small)


def test_data_are_found_by_the_flag(command, cheap_runs, tmp_path, mnist):
    code, _, err = run_mnist(command, tmp_path, mnist)
    assert (code, err) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["data"] == "mnist"
    assert results["num_train"] == 20


def spoil_missing(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    return ["train-labels-idx1-ubyte.gz", "no such file", "https://"]


def spoil_truncated(folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    return ["t10k-images-idx3-ubyte.gz", "truncated: expected 15680 bytes", "got 15580", "https://"]


def spoil_labels(folder):
    path = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[8 + 3] = 77
    path.write_bytes(gzip.compress(bytes(content)))
    return ["wrong label range", "must lie in [0, 10), got 77 in row 3", str(path)]


def spoil_folder(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    return ["mnist", "no such file"]


@pytest.mark.parametrize(
    "spoil", [spoil_missing, spoil_truncated, spoil_labels, spoil_folder], ids=lambda f: f.__name__
)
def test_what_is_wrong_with_the_data_is_said(command, tmp_path, mnist, spoil):
    messages = spoil(mnist / "mnist")
    code, _, err = run_mnist(command, tmp_path, mnist)
    assert code == 1
    for message in messages:
        assert message in err
    assert not (tmp_path / "run").exists()


def test_a_data_folder_that_is_not_there_is_named(command, tmp_path):
    code, _, err = run_mnist(command, tmp_path, tmp_path / "nowhere")
    assert code == 1
    assert "error: --data_dir must name an existing folder that holds the set mnist, got " in err
    assert f"got '{tmp_path / 'nowhere'}'" in err
    assert "BNN_DATA_DIR" not in err  # the flag was given, not the variable
