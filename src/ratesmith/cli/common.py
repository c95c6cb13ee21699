"""What the commands share: mistakes as one line, the list of strategies, the console."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import Progress, ProgressColumn

from ratesmith._checks import OptionError, spell
from ratesmith._metric_names import doubt_of_mode
from ratesmith._text import one_line
from ratesmith.codes import coded
from ratesmith.script_process import is_script
from ratesmith.strategy import NotationError
from ratesmith.strategy.registry import sentences

WIDE = 170
"""Columns to print to where the output is no terminal and so has no width."""
INTRODUCTION = """Strategies: lengths are steps as 500, shares of training as "5%", or epochs as "2ep". Join with >>,
multiply with *, add with +. -, /, max(a, b) and min(a, b) work too."""
MOST_USED = """The most used: cosine(), linear(), wsd(), one_cycle(), step("30%") and plateau(); the first three mostly
behind warmup("5%") >>."""
CLOSING = """custom names a function of yours; plateau's patience and cooldown count measurements, one an epoch by
default."""

SEE_STRATEGIES = """\b
Strategies, such as cosine(), warmup("5%") >> linear() or step(every="30%"), are listed by 'ratesmith --help'."""


class ListsStrategies(click.Command):
    """A command whose help ends with every strategy, its options and what it is in one sentence."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog, then the strategies."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        for text in (INTRODUCTION, MOST_USED):
            formatter.write_text(text)
            formatter.write_paragraph()
        for signature, sentence in sentences():
            formatter.write(textwrap.fill(signature, formatter.width, initial_indent="  ", subsequent_indent="    "))
            formatter.write("\n")
            formatter.write(textwrap.fill(sentence, formatter.width, initial_indent=" " * 6, subsequent_indent=" " * 6))
            formatter.write("\n")
        formatter.write_paragraph()
        formatter.write_text(CLOSING)


class StrategiesGroup(ListsStrategies, click.Group):
    """A group of commands whose help ends with every strategy."""


class Bar:
    """A progress bar on stderr while the `with` lasts; nothing where stderr is no terminal."""

    kind: type[Progress] = Progress

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        """Make the bar; nothing is shown before the `with`."""
        self.console = Console(stderr=True)
        self.bar = self.kind(*columns, console=self.console, **options)
        self.shown = self.console.is_terminal

    def __enter__(self) -> Self:
        """Show it."""
        if self.shown:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave its last line standing, or take it away where it is transient."""
        if self.shown:
            self.bar.stop()


class Mistake(click.ClickException):
    """A user's mistake: one line on stderr and exit status 2."""

    exit_code = 2


@contextmanager
def user_mistakes(*more: type[Exception], names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn what a user can cause into one line, with options by their names here; `names` are those that differ."""
    mistakes: tuple[type[Exception], ...] = (ValueError, TypeError, OptionError, *more)
    try:
        yield
    except OptionError as error:
        text = error.spelled({**option_names(), **(names or {})})
        pointed = isinstance(error, NotationError)  # it shows the place, with a caret in a line of its own
        raise Mistake(text if pointed else " ".join(text.split())) from error
    except mistakes as error:
        raise Mistake(one_line(error)) from error


def option_names() -> dict[str, str]:
    """Return the options of the running command: by their names in Python, as a user writes them.

    A command's option and its argument in Python have one name; where they do not, `user_mistakes` is told.
    """
    command = click.get_current_context().command
    return {
        str(option.name): max((name for name in option.opts if name.startswith("--")), key=len, default=option.opts[0])
        for option in command.params
        if isinstance(option, click.Option)
    }


def warn_of_mode(metric: str | None, mode: str | None) -> None:
    """Print one line on standard error if a mode goes against the name of its metric."""
    if doubt := doubt_of_mode(metric or "loss", mode):
        print(f"ratesmith: {coded('RS324', f'{spell(doubt, option_names())}.')}", file=sys.stderr)


def behind_dashes(error: click.NoSuchOption, arguments: list[str]) -> str:
    """Return, for an option that a command with a script does not know, how the script's own options are given."""
    command = error.ctx.command if error.ctx else None
    names = [option.name for option in command.params] if command else []
    if command is None or "arguments" not in names or not any(map(is_script, arguments)):
        return ""
    takes_value = {
        name: not option.is_flag
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    own, others, rest = [], [], arguments[: arguments.index("--")] if "--" in arguments else list(arguments)
    while rest:
        word = rest.pop(0)
        name, sign, _ = word.partition("=")
        if name in takes_value:
            own += [word, *(rest[:1] if takes_value[name] and not sign else [])]
            del rest[: int(takes_value[name] and not sign)]
        elif word.startswith("-"):
            others.append(word)
            while rest and not rest[0].startswith("-"):
                others.append(rest.pop(0))
        else:
            own.append(word)
    given = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    return f"If it is the script's own, it stands behind --: {shlex.join(['ratesmith', *own, '--', *others, *given])}"


def folder_name(reference: str) -> str:
    """Return the name of the folder that results are written to if no other is given.

    >>> folder_name("examples/digits.py:task"), folder_name("my/train.py")
    ('digits-task', 'train')
    """
    file, colon, name = reference.rpartition(":")
    return f"{Path(file).stem}-{name}" if colon else Path(reference).stem


def number_list(command: str, text: str) -> list[float]:
    """Read rates with commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise Mistake(f"{command}: --rates must be numbers with commas, got {text!r}; write 0.01,0.1,1") from None


def wide_console() -> Console:
    """Return a console as wide as the terminal or COLUMNS says, or wide if neither does."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) > 0 else WIDE
    return Console(width=None if sys.stdout.isatty() else width, markup=False)
