"""The command line's entry: `ratesmith` and `python -m ratesmith`."""

import sys


def main() -> None:
    """Run the command line, or say what to install where an extra is missing."""
    try:
        from ratesmith.cli import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ratesmith"):
            raise
        sys.exit(f"ratesmith: the command line needs {error.name}; install Ratesmith with its extra [cli]")
    sys.exit(run())


if __name__ == "__main__":
    main()
