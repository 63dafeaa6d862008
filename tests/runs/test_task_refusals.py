"""What is not for a data set's targets is refused by name before anything is built or written."""

import keras
import pytest

import bnn
from bnn.experiment import run
from tests.runs.task_cases import (
    HEADS,
    L,
    arguments,
    counted,
    dataset,
    linear,
    numbers,
    of_values,
    sequences,
    several,
)

REFUSED = {
    "counts for a regression": (
        lambda: (counted(), L.Normal()),
        r"likelihood Normal is for regression, but data set 'toy' is for counts; use "
        r"bnn\.likelihoods\.Poisson or NegativeBinomial\.",
    ),
    "values for counts": (
        lambda: (of_values(), L.Poisson()),
        r"likelihood Poisson is for counts, but data set 'toy' is for regression; use bnn\.like"
        r".*, or say with target_kinds that its numbers are 'counts'\.",
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


def masked(input_shape, num_outputs):
    """Positions of zeros are masked."""
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Masking()(inputs)
    return keras.Model(inputs, bnn.layers.Dense(num_outputs, use_bias=False)(hidden))


def test_a_mask_that_the_evaluation_would_not_know_is_refused(tmp_path, cheap_runs):
    text = r"passes a mask to Positions, which its test metrics would not know, got ignore = None;"
    refused = arguments(sequences(), L.Positions(L.Categorical()), model=masked)
    with pytest.raises(ValueError, match=text):
        run(tmp_path / "run", **refused)
    likelihood = L.Positions(L.Categorical(), ignore=0)
    run(tmp_path / "other", **arguments(sequences(), likelihood, model=masked))
