"""The columns of a table as features: fitted on the training rows, encoded the same ever after."""

from bnn.data.columns.base import Column, from_json
from bnn.data.columns.categorical import CategoricalColumn
from bnn.data.columns.date import DateColumn
from bnn.data.columns.numeric import NumericColumn

__all__ = ["CategoricalColumn", "Column", "DateColumn", "NumericColumn", "from_json"]
