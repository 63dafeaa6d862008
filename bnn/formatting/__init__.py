"""What people read: numbers as text, tables, and a bar while something takes long."""

from bnn.formatting.numbers import (
    html_table,
    is_number,
    places_of,
    show,
    show_to,
    unit_power,
    with_unit,
)
from bnn.formatting.progress import claim_terminal, is_terminal, progress_bar, release_terminal
from bnn.formatting.qualities import quality_of_target

__all__ = [
    "claim_terminal",
    "html_table",
    "is_number",
    "is_terminal",
    "places_of",
    "progress_bar",
    "quality_of_target",
    "release_terminal",
    "show",
    "show_to",
    "unit_power",
    "with_unit",
]
