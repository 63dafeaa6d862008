"""Every task goes through a run from its data to its results and predictions."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import bnn
from bnn.data import Batch, Dataset
from bnn.data.examples import ArrayExamples
from bnn.data.scaling import Scaling
from bnn.evaluation import evaluate
from bnn.experiment import run
from bnn.methods import MAP, Problem, VariationalInference
from bnn.runs.prediction_file import load_predictions
from bnn.tracking import read_jsonl

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


REGRESSION = {"nll", "log_likelihood"} | {
    f"{name}/target_{d}"
    for d in (0, 1)
    for name in (
        *("rmse", "crps", "coverage_50", "coverage_95", "quantile_calibration_error"),
        *("sharpness", "aleatoric_std", "epistemic_std"),
    )
}
LABELS = {"nll", "log_likelihood", "exact_match"} | {
    f"{name}/target_{d}" for d in (0, 1) for name in ("accuracy", "error", "brier", "ece")
}
CLASSES = {
    *("nll", "accuracy", "error", "brier", "ece", "ece_equal_mass", "ece_classwise"),
    *("ece_adaptive", "aurc", "predictive_entropy", "aleatoric_entropy", "epistemic_entropy"),
}
ONE_TARGET = {name.partition("/")[0] for name in REGRESSION}


def own(kind="positive"):
    return of_values(loc=0.0, scale=1.0, kind=kind)


def counted(kind="counts", columns=2):
    return dataset(numbers(kind, columns), target_kinds=kind)


TASKS = {
    "StudentT": (of_values, L.StudentT, "regression", REGRESSION),
    "Laplace": (of_values, L.Laplace, "regression", REGRESSION),
    "Quantile": (of_values, L.Quantile, "regression", REGRESSION),
    "MultivariateNormal": (of_values, L.MultivariateNormal, "regression", REGRESSION),
    "MixtureDensity": (of_values, L.MixtureDensity, "regression", REGRESSION),
    "LogNormal": (own, L.LogNormal, "regression", REGRESSION),
    "Gamma": (own, L.Gamma, "regression", REGRESSION),
    "Beta": (lambda: own("shares"), L.Beta, "regression", REGRESSION),
    "Poisson": (counted, L.Poisson, "counts", REGRESSION),
    "NegativeBinomial": (counted, L.NegativeBinomial, "counts", REGRESSION),
    "ZeroInflatedPoisson": (counted, L.ZeroInflatedPoisson, "counts", REGRESSION),
    "Bernoulli": (lambda: counted("multi_label"), L.Bernoulli, "multilabel", LABELS),
    "Ordinal": (
        lambda: dataset(numbers("labels"), num_classes=3),
        L.Ordinal,
        "classification",
        CLASSES | {"ranked_probability_score"},
    ),
    "Weibull": (
        survival,
        L.Weibull,
        "survival",
        {
            *("nll", "log_likelihood", "crps", "concordance", "quantile_calibration_error"),
            "events",
        },
    ),
    "Positions": (
        sequences,
        lambda: L.Positions(L.Categorical()),
        "classification",
        CLASSES | {"joint_nll"},
    ),
    "Heads": (
        several,
        lambda: L.Heads({name: make() for name, make in HEADS.items()}),
        "heads",
        {"nll"}
        | {f"price/{name}" for name in ONE_TARGET}
        | {f"visits/{name}" for name in ONE_TARGET}
        | {f"kind/{name}" for name in CLASSES}
        | {f"tags/{name}" for name in LABELS},
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_a_task_end_to_end(case, tmp_path, cheap_runs):
    make, likelihood, task, names = TASKS[case]
    data = make()
    done = run(tmp_path / "run", **arguments(data, likelihood()))
    assert done["task"] == task
    assert set(done["test"]) == names
    assert all(np.isfinite(value) for value in done["test"].values())
    again = evaluate(done.problem.likelihood, done.predict(data.x_test), data.y_test, data)
    assert done["test"] == pytest.approx(again, rel=1e-4, abs=1e-6)
    kept = load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    assert (kept.task, kept.num_samples, kept.num_examples) == (task, 3, TEST)
    of_run = done["test"].get("joint_nll", done["test"]["nll"])
    assert kept.losses["nll"].mean() == pytest.approx(of_run, rel=1e-6)


REFUSED = {
    "counts for a regression": (
        lambda: (counted(), L.Normal()),
        r"likelihood Normal is for regression, but data set 'toy' is for counts; use "
        r"bnn\.likelihoods\.Poisson or NegativeBinomial\.",
    ),
    "values for counts": (
        lambda: (of_values(), L.Poisson()),
        r"likelihood Poisson is for counts, but data set 'toy' is for regression; use bnn\.like",
    ),
    "labels for several labels": (
        lambda: (dataset(numbers("labels"), num_classes=3), L.Bernoulli()),
        r"likelihood Bernoulli is for multilabel, but data set 'toy' is for classification; use "
        r"bnn\.likelihoods\.Categorical\.",
    ),
    "several labels for one": (
        lambda: (counted("multi_label"), L.Categorical()),
        r"likelihood Categorical is for classification, but data set 'toy' is for multi_label; use "
        r"bnn\.likelihoods\.Bernoulli\.",
    ),
    "a label map without positions": (
        lambda: (sequences(), L.Categorical()),
        r"likelihood Categorical is for classification, but data set 'toy' is for label_map; use "
        r"bnn\.likelihoods\.Positions\(Categorical\(\)\)\.",
    ),
    "positions without a label map": (
        lambda: (dataset(numbers("labels"), num_classes=3), L.Positions(L.Categorical())),
        r"likelihood Positions is for classification by positions, but data set 'toy' is for "
        r"classification; use bnn\.likelihoods\.Categorical\.",
    ),
    "several targets for one": (
        lambda: (several(), L.Normal()),
        r"likelihood Normal is for regression, but data set 'toy' is for multiple; use "
        r"bnn\.likelihoods\.Heads\(\{…\}\) with a likelihood for every target\.",
    ),
    "heads of other names": (
        lambda: (several(), L.Heads({"price": L.Normal(), "other": L.Categorical()})),
        r"Heads must have a head for every target of data set 'toy', \['kind', 'price', 'tags', "
        r"'visits'\], got \['other', 'price'\]; name the heads as the targets\.",
    ),
    "a head of another task": (
        lambda: (several(), L.Heads({**{n: m() for n, m in HEADS.items()}, "kind": L.Normal()})),
        r"likelihood Normal is for regression, but target 'kind' of data set 'toy' is for "
        r"classification; use bnn\.likelihoods\.Categorical\.",
    ),
    "Gamma of standardised targets": (
        lambda: (of_values(), L.Gamma()),
        r"likelihood Gamma takes targets that are positive, but data set 'toy' standardises its "
        r"targets \(target_loc \[5\.0, 5\.0\], target_scale \[2\.0, 2\.0\]\); give a Dataset of "
        r"the targets themselves, with a target_loc of zeros and a target_scale of ones\.",
    ),
    "Beta in another unit": (
        lambda: (of_values(loc=0.0, kind="shares"), L.Beta()),
        r"likelihood Beta takes targets that are strictly between 0 and 1, but data set 'toy' stan",
    ),
    "LogNormal as a head": (
        lambda: (
            several(),
            L.Heads({**{n: m() for n, m in HEADS.items()}, "price": L.LogNormal()}),
        ),
        r"likelihood LogNormal takes targets that are positive, but target 'price' of data set "
        r"'toy' standardises its targets \(target_loc \[100\.0\], target_scale \[10\.0\]\)",
    ),
    "Weibull of standardised events": (
        lambda: (of_values(loc=0.0), L.Weibull()),
        r"likelihood Weibull takes targets that are a positive time and 0 or 1, but data set 'toy'",
    ),
    "Weibull without events": (
        lambda: (of_values(1, loc=0.0, scale=1.0), L.Weibull()),
        r"likelihood Weibull takes two target columns, the time and 1 for an event or 0 for a "
        r"censored time, but data set 'toy' has 1; add the column\.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_likelihood_that_is_not_for_the_targets_is_refused_before_anything(case, tmp_path):
    make, text = REFUSED[case]
    with pytest.raises(ValueError, match=text):
        run(tmp_path / "run", **arguments(*make()))
    assert not (tmp_path / "run").exists()


def test_a_model_without_the_outputs_of_the_heads_is_refused(tmp_path):
    def model(input_shape, num_outputs):
        return linear(input_shape, {name: num_outputs[name] for name in ("price", "kind")})

    heads = L.Heads({name: make() for name, make in HEADS.items()})
    text = r"outputs must be a dict of the heads \['price', 'kind', 'visits', 'tags'\], or a list"
    with pytest.raises(ValueError, match=text):
        run(tmp_path / "run", **arguments(several(), heads, model=model))


def test_names_of_targets_are_those_of_metrics_and_losses(tmp_path, cheap_runs):
    data = dataclasses.replace(of_values(), target_names=("load", "heat"))
    done = run(tmp_path / "run", **arguments(data, L.Laplace()))
    assert {"rmse/load", "crps/heat"} <= set(done["test"])
    kept = load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    assert set(kept.losses) == {"nll"} | {
        f"{name}/{target}" for name in ("squared_error", "crps") for target in ("load", "heat")
    }


def test_a_streamed_set_trains_and_reports_as_the_resident_one(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    source = ArrayExamples("toy", data.x_train, data.y_train)
    empty = {"x_train": data.x_train[:0], "y_train": data.y_train[:0]}
    streamed = dataclasses.replace(data, **empty, train_source=source)
    lines = {}
    for name, one in (("resident", data), ("streamed", streamed)):
        done = run(tmp_path / name, **arguments(one, L.Categorical(), epochs=2))
        assert done["num_train"] == TRAIN
        lines[name] = [
            {k: v for k, v in line.items() if k != "seconds"}
            for line in read_jsonl(tmp_path / name / "metrics.jsonl")
        ]
    assert lines["streamed"] == lines["resident"]
    assert {"accuracy", "ece"} <= set(lines["streamed"][0])


def test_the_scaling_is_stored_with_the_run(tmp_path, cheap_runs):
    data = of_values()
    folder = tmp_path / "run"
    done = run(folder, **arguments(data, L.Laplace()))
    stored = Scaling.from_json(json.loads((folder / "data.json").read_text())["scaling"])
    np.testing.assert_array_equal(
        stored.to_own_units(data.y_test), data.scaling.to_own_units(data.y_test)
    )
    np.testing.assert_array_equal(
        stored.prepare_inputs(data.x_test), data.scaling.prepare_inputs(data.x_test)
    )
    assert run(folder, **arguments(data, L.Laplace())) == done  # the same run still


def test_the_number_of_reading_workers_is_no_part_of_what_a_run_is(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    done = run(tmp_path / "run", **arguments(data, L.Categorical()))
    again = dataclasses.replace(data, num_workers=1)
    assert run(tmp_path / "run", **arguments(again, L.Categorical())) == done


@pytest.mark.parametrize("method", ["MAP", "VariationalInference"])
def test_weights_of_examples_reach_the_objective(method):
    """−(1/B) Σ w_b log p_b, by hand."""
    data = dataset(numbers("labels"), num_classes=3)
    weights = np.linspace(0, 2, TRAIN).astype(np.float32)
    if method == "MAP":
        made, layer = MAP(), keras.layers.Dense
    else:
        made, layer = VariationalInference(bnn.estimators.Mean()), bnn.layers.Dense
    model = keras.Sequential([keras.Input((3,)), layer(3)])
    likelihood = L.Categorical()
    optimizer = keras.optimizers.SGD(0.1)
    made.build(Problem(model, likelihood, TRAIN, 1, 0, optimizer, jit_compile=False))
    batch = Batch(data.x_train, data.y_train, weights)
    nll = made.loss(batch, bnn.Noise(0), training=False).metrics["nll"]
    with bnn.Draw(bnn.Noise(0), bnn.estimators.Mean()):
        log_prob = likelihood.log_prob(model(data.x_train), data.y_train).numpy()
    assert float(nll) == pytest.approx(-np.mean(weights * log_prob), rel=1e-5)
    assert float(nll) != pytest.approx(-np.mean(log_prob), rel=1e-3)


def test_a_weighted_set_trains_another_model(tmp_path, cheap_runs):
    data = dataset(numbers("labels"), num_classes=3)
    weights = np.where(data.y_train == 0, 5.0, 0.0).astype(np.float32)
    weighted = dataclasses.replace(data, weights_train=weights)
    shares = {}
    for name, one in (("plain", data), ("weighted", weighted)):
        done = run(tmp_path / name, **arguments(one, L.Categorical(), epochs=10, report_every=10.0))
        shares[name] = float(np.mean(np.argmax(done.predict(data.x_test), axis=-1) == 0))
    assert shares["weighted"] > shares["plain"]
