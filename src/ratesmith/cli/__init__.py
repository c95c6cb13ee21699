"""The command line: parses, calls, prints; one file a command."""

from __future__ import annotations

import io
import sys

import click

from ratesmith import __version__
from ratesmith._streams import tolerant_output
from ratesmith._text import one_line
from ratesmith.cli.common import StrategiesGroup, behind_dashes
from ratesmith.cli.compare import compare
from ratesmith.cli.find import find_rate
from ratesmith.cli.forecast import forecast
from ratesmith.cli.show import show
from ratesmith.cli.signals import signals_stop, status_of, stopped_by
from ratesmith.cli.study import study


@click.group(cls=StrategiesGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def commands() -> None:
    """Choose, shape and adapt the learning rate, and prove the choice on a validation set."""


commands.add_command(show)
commands.add_command(find_rate)
commands.add_command(compare)
commands.add_command(forecast)
commands.add_command(study)


def run(arguments: list[str] | None = None) -> int:
    """Run a command and give its exit status; a mistake is one line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot show a curve's dots still shows the numbers
    with tolerant_output() as (out, _), signals_stop():
        status = _run(sys.argv[1:] if arguments is None else arguments)
        out.flush()
        if out.lost is not None:
            print(f"ratesmith: the output could not be written: {one_line(out.lost)}", file=sys.stderr)
        return status or int(out.lost is not None)


def _run(arguments: list[str]) -> int:
    try:
        return int(commands.main(arguments or ["--help"], prog_name="ratesmith", standalone_mode=False) or 0)
    except click.NoSuchOption as error:
        hint = behind_dashes(error, arguments)
        print(f"ratesmith: {error.format_message()}{f' {hint}' if hint else ''}", file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        print(f"ratesmith: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except click.Abort as error:
        stop = error.__cause__ or error.__context__  # none if a question was answered with the end of input
        if isinstance(stop, KeyboardInterrupt):
            print(f"ratesmith: stopped by {stopped_by(stop)}.", file=sys.stderr)
            return status_of(stop)
        return 130
