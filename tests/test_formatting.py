"""Numbers as text: nothing but zero is shown as zero."""

import math

import numpy as np
import pytest

from bnn.formatting import places_of, show, show_to, unit_power, with_unit


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0004, 4, "0.0004000"),
        (0.12345, 4, "0.1235"),
        (12.345, 2, "12"),
        (9.9996, 4, "10.00"),
        (123456.7, 4, "123457"),
        (1.5e7, 4, "1.500e+07"),
        (-0.00001234, 3, "-1.23e-05"),
        (0.0, 4, "0"),
        (-0.0, 4, "0"),
        (math.nan, 4, "nan"),
        (-math.inf, 4, "-inf"),
    ],
)
def test_significant_digits(value, digits, text):
    assert show(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (120.0, "120"), (0.0004, "0.0004"), (1e-9, "1e-09")]
)
def test_zeros_at_the_end_can_be_left_out(value, text):
    assert show(value, trim=True) == text


def test_every_size_reads_back_to_its_digits():
    rng = np.random.default_rng(0)
    for value in 10.0 ** rng.uniform(-12, 12, 2000) * rng.choice([-1, 1], 2000):
        for digits in (1, 2, 4):
            assert float(show(value, digits)) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


def test_to_a_place():
    assert show_to(0.1234, 2) == "0.12"
    assert show_to(0.0004, 2) == "0.00040"  # instead of 0.00
    assert show_to(0.0, 2) == "0.00"
    assert show_to(math.inf, 2) == "inf"
    assert (places_of(0.0021), places_of(12.4), places_of(1.0, 3)) == (4, 0, 2)


@pytest.mark.parametrize(
    ("unit", "power", "text"),
    [
        ("kWh", 1, "load (kWh)"),
        ("kWh", 2, "load (kWh²)"),
        ("m/s", 2, "load ((m/s)²)"),
        ("", 1, "load"),
        ("kWh", 0, "load"),
    ],
)
def test_a_unit_stands_behind_what_has_one(unit, power, text):
    assert with_unit("load", unit, power) == text


def test_squares_of_units_that_have_parts_are_in_brackets():
    assert [unit_power(unit, 2) for unit in ("€", "kg m", "kWh")] == ["(€)²", "(kg m)²", "kWh²"]
