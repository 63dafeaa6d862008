"""Data sets of every kind of target, and a run on them."""

import keras
import numpy as np

import bnn
from bnn.data import Dataset
from bnn.methods import VariationalInference

L = bnn.likelihoods
TRAIN, TEST = 24, 8


def dataset(targets, inputs=None, **described):
    """One input of three features unless others are given."""
    random = np.random.RandomState(0)
    if inputs is None:
        inputs = random.normal(size=(TRAIN + TEST, 3)).astype(np.float32)

    def cut(nest, rows):
        if isinstance(nest, dict):
            return {name: array[rows] for name, array in nest.items()}
        return nest[rows]

    pieces = {"train": slice(TRAIN), "valid": slice(0), "test": slice(TRAIN, None)}
    arrays = {}
    for part, rows in pieces.items():
        arrays[f"x_{part}"], arrays[f"y_{part}"] = cut(inputs, rows), cut(targets, rows)
    return Dataset(name="toy", **arrays, **described)


def numbers(kind, columns=1):
    """Targets of one kind, `[N, D]` or labels."""
    random = np.random.RandomState(1)
    size = (TRAIN + TEST, columns)
    made = {
        "values": lambda: random.normal(size=size).astype(np.float32),
        "positive": lambda: random.gamma(2.0, size=size).astype(np.float32),
        "shares": lambda: random.uniform(0.1, 0.9, size).astype(np.float32),
        "counts": lambda: random.poisson(3.0, size).astype(np.float32),
        "multi_label": lambda: random.randint(0, 2, size).astype(np.int32),
        "labels": lambda: random.randint(0, 3, size[0]).astype(np.int32),
        "label_map": lambda: random.randint(0, 3, (size[0], 4)).astype(np.int32),
    }
    return made[kind]()


def of_values(columns=2, loc=5.0, scale=2.0, kind="values"):
    units = {"target_loc": np.full(columns, loc), "target_scale": np.full(columns, scale)}
    return dataset(numbers(kind, columns), **units)


def survival():
    """Times, and whether the event was seen."""
    events = numbers("multi_label", 1).astype(np.float32)
    times = np.concatenate([numbers("positive"), events], axis=1)
    return dataset(times, target_loc=np.zeros(2), target_scale=np.array([3.0, 1.0]))


def sequences():
    random = np.random.RandomState(2)
    inputs = random.normal(size=(TRAIN + TEST, 4, 3)).astype(np.float32)
    return dataset(numbers("label_map"), inputs, num_classes=3, target_kinds="label_map")


def several():
    """Two inputs and four targets."""
    random = np.random.RandomState(3)
    inputs = {
        "left": random.normal(size=(TRAIN + TEST, 2)).astype(np.float32),
        "right": random.normal(size=(TRAIN + TEST, 3)).astype(np.float32),
    }
    targets = {
        "price": numbers("values"),
        "kind": numbers("labels"),
        "visits": numbers("counts"),
        "tags": numbers("multi_label", 2),
    }
    return dataset(
        targets,
        inputs,
        num_classes={"kind": 3},
        target_loc={"price": np.array([100.0])},
        target_scale={"price": np.array([10.0])},
        target_kinds={"visits": "counts", "tags": "multi_label"},
    )


HEADS = {
    "price": L.StudentT,
    "kind": L.Categorical,
    "visits": L.Poisson,
    "tags": L.Bernoulli,
}


def linear(input_shape, num_outputs):
    """Random kernels alone, for one input or several, one output or several."""
    if isinstance(input_shape, dict):
        inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
        features = keras.layers.Concatenate()(list(inputs.values()))
    else:
        inputs = features = keras.Input(input_shape)
    if isinstance(num_outputs, dict):
        outputs = {
            name: bnn.layers.Dense(number, use_bias=False, name=name)(features)
            for name, number in num_outputs.items()
        }
    else:
        outputs = bnn.layers.Dense(num_outputs, use_bias=False)(features)
    return keras.Model(inputs, outputs)


def arguments(data, likelihood, **changes):
    return {
        "data": data,
        "model": linear,
        "likelihood": likelihood,
        "method": VariationalInference(bnn.estimators.Reparameterization()),
        "optimizer": keras.optimizers.Adam(0.05),
        "epochs": 1,
        "batch_size": 12,
        "num_predict_samples": 3,
        "jit_compile": False,
        **changes,
    }


def own(kind="positive"):
    return of_values(loc=0.0, scale=1.0, kind=kind)


def counted(kind="counts", columns=2):
    return dataset(numbers(kind, columns), target_kinds=kind)
