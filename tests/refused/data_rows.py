"""Data files that cannot be read: how each is made, the binding that reads it, what is named."""

import gzip
import struct

import numpy as np

_ROWS, _LABELS = np.ones((40, 3), "float32"), np.arange(40) % 4


def _arrays(**changes):
    """A file `.npz` of a table, changed."""

    def make(folder):
        arrays = {"x": _ROWS, "y": _LABELS, **changes}
        np.savez(folder / "set.npz", **{k: v for k, v in arrays.items() if v is not None})

    return make


def _bytes(name, content):
    def make(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return make


def _pickled(folder):
    np.savez(folder / "set.npz", x=np.array([{}, []] * 20, dtype=object), y=_LABELS)


def _cut(folder):
    _arrays()(folder)
    whole = (folder / "set.npz").read_bytes()
    (folder / "set.npz").write_bytes(whole[: len(whole) // 2])


def _not_finite(value):
    x = _ROWS.copy()
    x[7, 1] = value
    return _arrays(x=x)


def _images(magic=2051, count=8, size=28, given=8, labels=8, label_magic=2049, largest=3):
    """The four files of a set in the layout of MNIST."""

    def make(folder):
        (folder / "mnist").mkdir()
        for part in ("train", "t10k"):
            pixels = b"\1" * (given * size * size)
            head = struct.pack(">4i", magic, count, size, size)
            name = folder / "mnist" / f"{part}-images-idx3-ubyte.gz"
            name.write_bytes(gzip.compress(head + pixels))
            head = struct.pack(">2i", label_magic, labels)
            values = bytes(i % (largest + 1) for i in range(labels))
            name = folder / "mnist" / f"{part}-labels-idx1-ubyte.gz"
            name.write_bytes(gzip.compress(head + values))

    return make


def _uci(**files):
    """A set in the layout of the UCI splits, with files changed; None leaves one out."""

    def make(folder):
        (folder / "uci" / "tiny").mkdir(parents=True)
        whole = {
            "data": "\n".join(f"{i} {i * 2} {i % 5}" for i in range(20)),
            "index_features": "0\n1\n",
            "index_target": "2\n",
            "n_splits": "1\n",
            "index_train_0": "\n".join(map(str, range(16))),
            "index_test_0": "16\n17\n18\n19\n",
        }
        for name, text in {**whole, **files}.items():
            if text is not None:
                (folder / "uci" / "tiny" / f"{name}.txt").write_text(text)

    return make


_ARRAYS = "run.data = @arrays()\narrays.path = '{folder}/set.npz'"
_MNIST = "run.data = @mnist()\nmnist.data_dir = '{folder}'\nmnist.flatten = True"
_UCI = (
    "run.data = @uci()\nuci.name = 'tiny'\nuci.split = 0\nuci.data_dir = '{folder}'\n"
    "run.likelihood = @bnn.likelihoods.Normal()"
)
# How, binding, what is named.
DATA = [
    (_bytes("set.npz", b""), _ARRAYS, "set.npz"),
    (_bytes("set.npz", b"PK"), _ARRAYS, "set.npz"),
    (_bytes("set.npz", b"some text"), _ARRAYS, "set.npz"),
    (_bytes("set.npz/x.txt", b""), _ARRAYS, "set.npz"),
    (_cut, _ARRAYS, "set.npz"),
    (_pickled, _ARRAYS, "x"),
    (_arrays(x=None), _ARRAYS, "x"),
    (_arrays(y=None), _ARRAYS, "y"),
    (_arrays(x=_ROWS[:30]), _ARRAYS, "x"),
    (_arrays(x=_ROWS[:0], y=_LABELS[:0]), _ARRAYS, "rows"),
    (_arrays(x=_ROWS[:1], y=_LABELS[:1]), _ARRAYS, "test_fraction"),
    (_arrays(x=np.array(["a"] * 40)), _ARRAYS, "arrays"),
    (_arrays(x=_ROWS * (1 + 2j)), _ARRAYS, "arrays"),
    (_not_finite(np.nan), _ARRAYS, "x"),
    (_not_finite(np.inf), _ARRAYS, "x"),
    (_arrays(y=_LABELS - 1), _ARRAYS, "set"),
    (_arrays(y=np.array(["a", "b"] * 20)), _ARRAYS, "y"),
    (_arrays(weights=-np.ones(40)), _ARRAYS, "weights"),
    (_arrays(weights=np.ones(39)), _ARRAYS, "weights"),
    (_arrays(unknown=np.ones(40)), _ARRAYS, "unknown"),
    (_images(magic=7), _MNIST, "-images-idx3"),
    (_images(count=9), _MNIST, "-images-idx3"),
    (_images(given=7), _MNIST, "-images-idx3"),
    (_images(count=-1), _MNIST, "-images-idx3"),
    (_images(label_magic=7), _MNIST, "-labels-idx1"),
    (_images(labels=7), _MNIST, "labels"),
    (_images(size=0), _MNIST, "images"),
    (_bytes("mnist/train-images-idx3-ubyte.gz", b"no gzip"), _MNIST, "-images-idx3"),
    (_bytes("mnist/other", b""), _MNIST, "-images-idx3"),
    (_uci(data="1 2 x\n"), _UCI, "data.txt"),
    (_uci(data=""), _UCI, "data.txt"),
    (_uci(data="1 2 3\n4 5\n"), _UCI, "data.txt"),
    (_uci(data=None), _UCI, "data.txt"),
    (_uci(data="nan 1 2\n" * 20), _UCI, "data.txt"),
    (_uci(index_features="0\n9\n"), _UCI, "index_features.txt"),
    (_uci(index_features="0\n2\n"), _UCI, "index_features.txt"),
    (_uci(index_target="x\n"), _UCI, "index_target.txt"),
    (_uci(index_train_0="0\n99\n"), _UCI, "index_train_0.txt"),
    (_uci(index_train_0="0\n0\n1\n"), _UCI, "index_train_0.txt"),
    (_uci(index_test_0="3\n"), _UCI, "index_test_0.txt"),
    (_uci(index_test_0=None), _UCI, "index_test_0.txt"),
    (_uci(n_splits="many"), _UCI, "n_splits.txt"),
]
