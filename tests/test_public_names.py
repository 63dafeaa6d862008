"""No public name and no parameter vanishes unnoticed."""

from tests.public_names import public_names, recorded, vanished


def test_no_public_name_or_parameter_has_vanished():
    """Where one is meant to go: `python -m tests.public_names`, and a line in CHANGELOG.md."""
    before = recorded()
    assert len(before) > 150
    assert vanished(before, public_names()) == []


def test_what_vanishes_is_seen():
    before = {"bnn.a": {"x", "y"}, "bnn.b": set()}
    assert vanished(before, {"bnn.a": {"x", "z"}, "bnn.c": set()}) == ["bnn.b", "bnn.a(y)"]
    assert vanished(before, {**before, "bnn.c": {"w"}}) == []
