"""The files that logs are kept in, each read in pieces as columns of numbers.

NaN stands for "not logged in this row" and infinity for a number that is not finite, so that a run that diverged can
be told from one that logs its validation loss now and then.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith._checks import OptionValueError
from ratesmith._text import one_line
from ratesmith.logs.curve import Floats

ROWS_HELD: Final = 32_768
"""Rows that are held at a time."""
LARGEST_JSON: Final = 200_000_000
"""Bytes of a JSON file that is one value, and so must be held whole."""
READABLE: Final = (
    "CSV, JSON lines, Parquet, a TensorBoard event file, Hugging Face's trainer_state.json or Lightning's metrics.csv"
)
EVENT_FILES: Final = "*tfevents*"
FILES_OF_FOLDERS: Final = ("trainer_state.json", "metrics.csv")
"""What a folder is looked through for, the event files first."""
Pieces = Iterator[dict[str, Floats]]


class Log(NamedTuple):
    """A file as columns: `pieces(names)` gives the rows of these columns, some thousands at a time, in their order."""

    form: str
    names: list[str]
    pieces: Callable[[Sequence[str]], Pieces]


def open_log(path: Path) -> Log:
    """Say what a file is, by its content, and open it. Raises ValueError for what is no log, with what it is."""
    if path.is_dir():
        if any(path.glob(EVENT_FILES)):
            return _events(path)
        path = _in_folder(path)
    if not path.exists():
        raise OptionValueError("read: it must be a file, got no such one; check the path")
    with path.open("rb") as file:
        head = file.read(4096)
    if "tfevents" in path.name:
        return _events(path)
    if head.startswith(b"PAR1"):
        return _parquet(path)
    text = head.decode("utf-8-sig", errors="ignore").lstrip()
    if b"\0" in head or not text:
        raise _no_log("an empty file" if not head.strip() else "a binary file")
    if text[0] in "{[":
        return _json(path, text)
    return _csv(path)


def _no_log(what: str) -> OptionValueError:
    return OptionValueError(f"read: it must be {READABLE}, got {what}; save the log as one of these")


def _in_folder(folder: Path) -> Path:
    for name in FILES_OF_FOLDERS:
        if (folder / name).exists():
            return folder / name
    names, got = " or ".join((EVENT_FILES, *FILES_OF_FOLDERS)), _some(sorted(folder.iterdir()))
    raise OptionValueError(f"read: the folder must hold {names}, got {got}; name the file")


def _some(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths[:6]) or "an empty one"


def number(value: Any) -> float:
    """Return a value of JSON or CSV as a number: NaN if there is none, infinity if it is not finite."""
    if value is None or value == "" or isinstance(value, (bool, list, dict)):
        return math.nan
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return parsed if math.isfinite(parsed) else math.inf


# CSV ------------------------------------------------------------------------------------------------------------------


def _csv(path: Path) -> Log:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = next(_rows_of_text(file), "")
    mark = max(",;\t", key=first.count)
    if first.count(mark) == 0:
        raise _no_log(f"text that begins with {first.strip()[:40]!r}")
    names = [name.strip() for name in _next_rows(csv.reader([first], delimiter=mark))[0]]
    if all(not math.isnan(number(name)) for name in names):
        raise OptionValueError(f"read: the first row must name the columns, got {first.strip()[:60]!r}; add such a row")

    def pieces(wanted: Sequence[str]) -> Pieces:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.reader(_rows_of_text(file), delimiter=mark)
            next(rows)
            places = {name: names.index(name) for name in wanted}
            while piece := _next_rows(rows):
                yield {name: _cells(name, piece, place) for name, place in places.items()}

    return Log("CSV", names, pieces)


def _next_rows(rows: Iterator[list[str]]) -> list[list[str]]:
    try:
        return list(itertools.islice(rows, ROWS_HELD))
    except csv.Error as error:
        raise _no_log(f"CSV that cannot be read ({one_line(error)})") from None


def _rows_of_text(lines: Iterable[str]) -> Iterator[str]:
    """Leave out comments and empty lines."""
    return (line for line in lines if not line.startswith("#") and not line.isspace())


def _cells(name: str, rows: list[list[str]], place: int) -> Floats:
    try:
        values = np.fromiter((float(row[place]) for row in rows), np.float64, len(rows))
    except (ValueError, IndexError):  # some cell is empty, or a row is cut short
        return np.fromiter((_cell(name, row, place) for row in rows), np.float64, len(rows))
    values[~np.isfinite(values)] = np.inf
    return values


def _cell(name: str, row: list[str], place: int) -> float:
    cell = row[place].strip() if place < len(row) else ""
    if cell.lower() in ("", "null", "none", "na", "n/a", "-"):
        return math.nan
    value = number(cell)
    if math.isnan(value) and cell != name:  # a job that was started again may write its first row again
        raise OptionValueError(f"read: column {name!r} must hold numbers, got {cell[:40]!r}; mend that row")
    return value


# JSON -----------------------------------------------------------------------------------------------------------------


def _json(path: Path, text: str) -> Log:
    """Read rows, one a line; or a value that holds a list of rows, such as Hugging Face's trainer_state.json."""
    first = text.partition("\n")[0]
    if text[0] == "{" and _is_row(first):
        return _rows("JSON lines", lambda: _lines(path))
    if path.stat().st_size > LARGEST_JSON:
        raise OptionValueError(
            "read: JSON in one piece must be below 200 MB, got more; write a row a line (JSON lines)"
        )
    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _no_log(f"what is no whole JSON ({one_line(error)[:80]})") from None
    state = isinstance(whole, dict) and isinstance(whole.get("log_history"), list)
    rows = whole["log_history"] if state else whole
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        raise _no_log("JSON that is no list of rows")
    # The row that Hugging Face writes last sums the training up: its train_loss is the mean of all.
    rows = [_flat(row) for row in rows if not (state and "train_runtime" in row)]
    return _rows("trainer_state.json" if state else "JSON", lambda: iter(rows))


def _is_row(line: str) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "log_history" not in row


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for place, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                if line.endswith("\n"):
                    raise OptionValueError(
                        f"read: every line must be JSON, got {line.strip()[:40]!r} in line {place}; mend it"
                    ) from None
                return  # the last line of a run that is being written
            if isinstance(row, dict):
                yield _flat(row)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Write {"train": {"loss": 1}} as {"train/loss": 1}."""
    if not any(isinstance(value, dict) for value in row.values()):
        return row
    flat: dict[str, Any] = {}
    for name, value in row.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name}/{part}" if part else name: cell for part, cell in inner.items()}
    return flat


def _rows(form: str, rows: Callable[[], Iterator[dict[str, Any]]]) -> Log:
    """Return rows whose keys may differ as a log; they are gone through twice, first for the names."""
    names: dict[str, None] = {}
    for row in rows():
        names.update(dict.fromkeys(row))

    def pieces(wanted: Sequence[str]) -> Pieces:
        left = rows()
        while piece := list(itertools.islice(left, ROWS_HELD)):
            yield {name: np.array([number(row.get(name)) for row in piece]) for name in wanted}

    return Log(form, list(names), pieces)


# Parquet and event files, which need a package ----------------------------------------------------------------------


def _parquet(path: Path) -> Log:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise OptionValueError(
            "read: to read Parquet, pyarrow must be installed, got none; pip install pyarrow, "
            "or Ratesmith with its extra [logs]"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_log(f"damaged Parquet ({one_line(error)[:80]})") from None

    def pieces(wanted: Sequence[str]) -> Pieces:
        for batch in file.iter_batches(batch_size=ROWS_HELD, columns=list(wanted)):
            yield {name: _arrow(name, batch.column(name)) for name in wanted}

    return Log("Parquet", list(file.schema_arrow.names), pieces)


def _arrow(name: str, column: Any) -> Floats:
    try:
        values = column.cast("float64", safe=False)
    except Exception:  # pyarrow's own, which is imported only when asked for
        raise OptionValueError(
            f"read: column {name!r} must hold numbers, got {column.type}; see which column it is"
        ) from None
    cells: Floats = np.array(values.fill_null(0.0), dtype=np.float64)
    cells[~np.isfinite(cells)] = np.inf
    cells[np.array(values.is_null(), dtype=bool)] = np.nan
    return cells


def _events(path: Path) -> Log:
    from ratesmith.logs.tensorboard import scalars

    series = scalars(path)
    if not series:
        raise OptionValueError("read: the event file must hold scalars, got none; name the file that has the loss")

    def pieces(wanted: Sequence[str]) -> Pieces:
        for name in wanted:
            if name in series:
                steps, values = series[name]
                yield {"step": steps, name: values}

    return Log("TensorBoard events", ["step", *series], pieces)
