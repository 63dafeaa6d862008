"""Data sets as numpy arrays, and the order in which training visits them."""

from bnn.data.array_sets import arrays
from bnn.data.assemble import classification_dataset, regression_dataset
from bnn.data.batching import batch_indices
from bnn.data.dataset import Dataset
from bnn.data.idx import read_idx
from bnn.data.image_sets import fashion_mnist, kmnist, load_images, mnist
from bnn.data.scaling import Scaling, TargetScaling
from bnn.data.sklearn_sets import diabetes, digits
from bnn.data.splits import split_validation
from bnn.data.table_sets import csv, parquet
from bnn.data.tfds_sets import tfds
from bnn.data.uci_sets import uci, uci_num_splits

__all__ = [
    "Dataset",
    "Scaling",
    "TargetScaling",
    "arrays",
    "batch_indices",
    "classification_dataset",
    "csv",
    "diabetes",
    "digits",
    "fashion_mnist",
    "kmnist",
    "load_images",
    "mnist",
    "parquet",
    "read_idx",
    "regression_dataset",
    "split_validation",
    "tfds",
    "uci",
    "uci_num_splits",
]
