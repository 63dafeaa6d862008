"""Small inputs that were once answered wrongly without a word, and the tests that hold them now.

Each row of `CASES` is a case by its number: what it asks, and the tests where the right value or
the refusal by name is asserted. A test that is renamed or goes takes its row with it, or fails
here. Number 22 is no fault but a property of the bound, of which training and reports tell.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent
CALLS = "objectives/test_objective_calls.py"
REPEATED = "test_repeated_calls.py"
LABELS = "likelihoods/test_categorical.py"
CASES = {
    "01": (
        "log-probabilities [B, T] are not averaged over T",
        f"{CALLS}::test_log_probabilities_of_positions_are_refused",
        "likelihoods/test_positions.py::test_the_sum_over_the_positions",
    ),
    "02": (
        "two heads are summed, not halved",
        f"{CALLS}::test_several_outputs_are_refused",
        "likelihoods/test_heads.py::test_two_heads_in_the_objective",
    ),
    "03": (
        "a shared layer has one weight sample under local reparameterization too, or is refused",
        f"{REPEATED}::test_variance_of_a_difference",
        f"{REPEATED}::test_variance_of_a_sum_over_time",
        f"{REPEATED}::test_local_reparameterization_refuses_by_name",
    ),
    "04": (
        "rematerialisation does not compute gradients at the mean",
        f"{REPEATED}::test_rematerialisation_is_refused_by_name",
    ),
    "06": (
        "predict keeps the structure of several outputs",
        "test_prediction_inputs.py::test_several_outputs",
    ),
    "07": (
        "a layer that Keras does not track is named",
        f"{CALLS}::test_a_layer_that_is_not_tracked_is_named",
    ),
    "08": (
        "terms.nll carries the estimator's gradient",
        "objectives/test_negative_elbo.py::test_terms_may_be_weighted_by_hand",
    ),
    "09": (
        "weight decay leaves the scales of posteriors alone",
        "test_weight_decay.py::test_the_scales_stay_in_a_loop_of_the_users_own",
        "test_weight_decay.py::test_the_scales_of_a_bayesian_model_stay",
    ),
    "10": (
        "a learned noise level is one for each target, or refused before its width is known",
        "likelihoods/test_normal_likelihoods.py::test_a_learned_scale_is_built_for_the_first_targets",
        "likelihoods/test_normal_likelihoods.py::test_a_learned_scale_of_unknown_width_is_refused",
    ),
    "12": (
        "moving averages move once a step, whatever the number of samples",
        "objectives/test_objective_state.py::test_moving_averages_move_once_a_step",
    ),
    "14": (
        "labels that are one-hot, fractions, a column or out of range",
        f"{LABELS}::test_labels_of_another_kind",
        f"{LABELS}::test_a_bad_label_that_only_a_compiled_function_sees_is_nan",
    ),
    "15": (
        "scores, densities and weights do not leak out of a traced loop",
        f"{REPEATED}::test_objectives_of_a_recurrent_model_in_a_graph",
        f"{REPEATED}::test_values_and_gradients_are_those_of_eager_mode",
        "test_branches_and_scans.py::test_a_layer_in_a_branch",
    ),
    "16": (
        "predict takes nests, data sets, sparse tensors and strings, and names what it cannot",
        "test_prediction_inputs.py::test_several_inputs",
        "test_prediction_inputs.py::test_data_sets",
        "test_prediction_inputs.py::test_other_inputs",
    ),
    "18": (
        "another backend of Keras is refused at the import",
        "test_backend.py::test_the_variable",
        "test_backend.py::test_a_keras_that_is_imported_already",
    ),
    "21": (
        "doubly reparameterized gradients are unbiased for every KL weight",
        "objectives/test_tempered_bound.py::test_doubly_reparameterized_is_unbiased_at_any_power",
    ),
    "22": (
        "a regression that collapsed to a constant is told in words",
        "report/test_report_constants.py::test_a_collapsed_fit_is_named_with_its_numbers",
    ),
    "23": (
        "a second run from Python in the same folder does not return the first's results",
        "runs/test_another_run.py::test_another_run_from_python_is_refused_with_the_difference",
        "runs/test_another_run.py::test_the_same_run_from_python_is_not_repeated",
    ),
    "24": (
        "intervals over overlapping test splits cover",
        "report/test_report_statistics.py::test_both_intervals_cover_overlapping_splits",
        "report/test_report_statistics.py::test_a_row_that_every_split_tests_is_one_observation",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_its_tests(case):
    _, *names = CASES[case]
    for name in names:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, name
