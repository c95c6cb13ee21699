"""NumPy arrays and tables, such as pandas', as the tensors that a model takes."""

from __future__ import annotations

import operator
import sys
from typing import Any, Final

import torch

from ratesmith._checks import Option, OptionTypeError, OptionValueError

_NUMBERS: Final = "biuf"
"""NumPy's letters for the kinds of numbers: true and false, whole, whole and at least 0, floating."""


def as_tensors(given: Any, who: str, name: str) -> Any:
    """Return data with tensors for its arrays and tables: `given` itself, or the parts of a tuple.

    Floating numbers become torch's default kind, whole numbers and booleans int64. All of a table (pandas' or polars'
    DataFrame) becomes floating numbers, since its columns are inputs; a column (Series) what its numbers are. Anything
    else stays as it is.
    """
    if isinstance(given, tuple):
        parts = [_as_tensor(part, who, name) for part in given]
        return given if all(map(operator.is_, parts, given)) else tuple(parts)
    if _is_table(given):
        raise OptionTypeError(
            f"{who}: ",
            Option(name),
            f" must say what are the inputs and what is the target, got one {type(given).__name__}; write "
            "(table[inputs], table[target])",
        )
    return _as_tensor(given, who, name)


def _is_table(given: Any) -> bool:
    """Whether it is a table or a column of pandas, polars and such."""
    return type(given).__name__ in ("DataFrame", "Series") and hasattr(given, "to_numpy")


def _as_tensor(given: Any, who: str, name: str) -> Any:
    numpy = sys.modules.get("numpy")
    if _is_table(given):
        array = _numbers(given, who, name)
    elif numpy is not None and isinstance(given, numpy.ndarray):
        array = given
        if array.dtype.kind not in _NUMBERS:
            raise OptionTypeError(
                f"{who}: ", Option(name), f" must hold numbers, got an array of {array.dtype}; make numbers of them"
            )
    else:
        return given
    # A copy: torch takes no array that is read-only, runs backwards or has its bytes in another order.
    kind = "float64" if array.dtype.kind == "f" else "int64"
    tensor = torch.from_numpy(array.astype(kind, order="C", copy=True))
    return tensor.to(torch.get_default_dtype()) if kind == "float64" else tensor


def _numbers(table: Any, who: str, name: str) -> Any:
    """Return a table's or a column's numbers; raise an error that names the columns that hold none, or lack some."""
    columns = {str(key): table[key] for key in table.columns} if hasattr(table, "columns") else {table.name: table}
    odd = [f"{key!r} ({column.dtype})" for key, column in columns.items() if not _is_numeric(column.dtype)]
    if odd:
        raise OptionTypeError(
            f"{who}: ",
            Option(name),
            f" must hold numbers, got others in {', '.join(odd)}; make numbers of them, or leave them out",
        )
    missing = [repr(key) for key, column in columns.items() if _has_missing(column)]
    if missing:
        raise OptionValueError(
            f"{who}: ",
            Option(name),
            f" must have a number everywhere, got missing values in {', '.join(missing)}; fill them or drop their rows",
        )
    array = table.to_numpy()
    floats = hasattr(table, "columns") or (array.dtype.kind not in _NUMBERS and _is_floating(table.dtype))
    return array.astype("float64" if floats else "int64" if array.dtype.kind == "O" else array.dtype)


def _is_numeric(kind: Any) -> bool:
    """Whether a column's type is one of numbers or booleans: pandas' have a letter, as NumPy's, polars' a method."""
    if hasattr(kind, "is_numeric"):
        return bool(kind.is_numeric()) or str(kind) == "Boolean"
    return getattr(kind, "kind", "O") in _NUMBERS


def _is_floating(kind: Any) -> bool:
    return bool(kind.is_float()) if hasattr(kind, "is_float") else getattr(kind, "kind", "O") == "f"


def _has_missing(column: Any) -> bool:
    if hasattr(column, "isna"):
        return bool(column.isna().any())
    nan = column.is_nan().any() if _is_floating(column.dtype) else False
    return bool(nan) or bool(column.is_null().any())
