"""From raw inputs to a model's inputs, as small objects that a run stores as JSON."""

from bnn.data.preparation.arrays import ArrayPreparation, NestPreparation
from bnn.data.preparation.base import Preparation, from_json
from bnn.data.preparation.images import ImagePreparation
from bnn.data.preparation.tables import TablePreparation
from bnn.data.preparation.texts import TextPreparation

__all__ = [
    "ArrayPreparation",
    "ImagePreparation",
    "NestPreparation",
    "Preparation",
    "TablePreparation",
    "TextPreparation",
    "from_json",
]
