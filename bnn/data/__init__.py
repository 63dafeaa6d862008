"""Data sets as numpy arrays, and the order in which training visits them."""

from bnn.data import augmentation
from bnn.data.array_sets import arrays
from bnn.data.assemble import classification_dataset, regression_dataset
from bnn.data.augmentation import augmented
from bnn.data.batches import Batch, Batches, ResidentBatches, StackedBatches
from bnn.data.batching import batch_indices
from bnn.data.class_weights import class_weighted
from bnn.data.dataset import Dataset
from bnn.data.examples import ArrayExamples, ExampleError, Examples, ItemExamples
from bnn.data.functions import from_function
from bnn.data.idx import read_idx
from bnn.data.image_folders import image_folder
from bnn.data.image_sets import fashion_mnist, kmnist, load_images, mnist
from bnn.data.keras_sets import keras_set
from bnn.data.scaling import Scaling, TargetScaling
from bnn.data.sklearn_sets import diabetes, digits
from bnn.data.splits import split_validation
from bnn.data.streamed_batches import StreamedBatches
from bnn.data.streamed_sets import streamed_dataset
from bnn.data.table_sets import csv, parquet
from bnn.data.text_sets import text_classification
from bnn.data.tfds_sets import tfds
from bnn.data.training_batches import training_batches
from bnn.data.uci_sets import uci, uci_num_splits

__all__ = [
    "ArrayExamples",
    "Batch",
    "Batches",
    "Dataset",
    "ExampleError",
    "Examples",
    "ItemExamples",
    "ResidentBatches",
    "Scaling",
    "StackedBatches",
    "StreamedBatches",
    "TargetScaling",
    "arrays",
    "augmentation",
    "augmented",
    "batch_indices",
    "class_weighted",
    "classification_dataset",
    "csv",
    "diabetes",
    "digits",
    "fashion_mnist",
    "from_function",
    "image_folder",
    "keras_set",
    "kmnist",
    "load_images",
    "mnist",
    "parquet",
    "read_idx",
    "regression_dataset",
    "split_validation",
    "streamed_dataset",
    "text_classification",
    "tfds",
    "training_batches",
    "uci",
    "uci_num_splits",
]
