import pytest

from bnn.tracking import resolve_mode

KEY = "f" * 40


@pytest.mark.parametrize(
    ("mode", "environ", "expected"),
    [
        (None, {}, "offline"),
        (None, {"WANDB_API_KEY": ""}, "offline"),
        (None, {"WANDB_API_KEY": KEY}, "online"),
        (None, {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        (None, {"WANDB_API_KEY": KEY, "WANDB_MODE": ""}, "online"),
        (None, {"WANDB_MODE": "disabled"}, "disabled"),
        (None, {"WANDB_MODE": "dryrun"}, "offline"),
        ("online", {"WANDB_MODE": "disabled"}, "online"),
        ("offline", {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"}, "offline"),
        ("disabled", {"WANDB_API_KEY": KEY}, "disabled"),
    ],
)
def test_mode(mode, environ, expected):
    assert resolve_mode(mode, environ) == expected
