"""The training NLL of a regression is of scaled targets, the validation's is not: two units."""

from bnn import figures

REGRESSION = [
    {"step": s, "nll": 1 / s, "valid_nll": 5 + 1 / s, "rmse/a": 2.0, "valid_rmse/b": 300.0}
    for s in (10, 20, 30)
]
CLASSES = [{"step": s, "nll": 1 / s, "valid_nll": 2 / s} for s in (10, 20, 30)]


def labels(figure):
    return [axis.get_ylabel().replace("\n", " ") for axis in figure.axes]


def test_standardised_and_target_units_share_no_axis():
    assert labels(figures.learning_curve(REGRESSION)) == [
        "Training NLL (nats, standardised targets)",
        "Validation NLL (nats, target units)",
        "RMSE of a (its units)",
        "RMSE of b (its units)",
    ]
    whole = [{**record, "loss": 2.0, "elbo": -2.0} for record in REGRESSION]
    assert labels(figures.learning_curves({"a": [whole]})) == [
        "Training NLL (nats, standardised targets)",
        "Validation NLL (nats, target units)",
        "Loss minimised (nats, standardised targets)",
        "ELBO (nats, standardised targets)",
        "Validation RMSE of b (its units)",
        "Training RMSE of a (its units)",
    ]
    assert labels(figures.learning_curves({"a": [CLASSES]}))[0] == "Training NLL (nats per example)"


def test_targets_that_are_not_standardised_share_the_axis_of_the_nll():
    """Counts and positive targets have an RMSE, too."""
    one = figures.learning_curve(REGRESSION, standardized=False)
    assert (labels(one)[0], len(one.axes[0].lines)) == ("NLL (nats per example)", 2)
    several = figures.learning_curves({"a": [REGRESSION]}, standardized=False)
    assert "Training NLL (nats per example)" in labels(several)
    heads = figures.learning_curve(CLASSES, standardized=True)
    assert [len(axis.lines) for axis in heads.axes] == [1, 1]


def test_heads_have_a_panel_each():
    heads = [
        {
            "step": s,
            "nll": 1 / s,
            "valid_nll": 5.0,
            "valid_load/rmse": 30.0,
            "valid_kind/accuracy": 0.9,
        }
        for s in (10, 20, 30)
    ]
    assert labels(figures.learning_curve(heads)) == [
        "Training NLL (nats, standardised targets)",
        "Validation NLL (nats, target units)",
        "RMSE of load (its units)",
        "Accuracy of kind (fraction)",
    ]
    assert labels(figures.learning_curves({"a": [heads]}))[2:] == [
        "Validation RMSE of load (its units)",
        "Validation accuracy of kind (fraction)",
    ]
