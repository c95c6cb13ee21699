"""The command line's entry: `ratesmith` and `python -m ratesmith`."""

import sys


def main() -> None:
    """Run the command line; say in one line which package was not installed with Ratesmith."""
    try:
        from ratesmith.cli import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ratesmith"):
            raise
        sys.exit(f"ratesmith: it needs {error.name}, which was not installed with it; pip install {error.name}")
    sys.exit(run())


if __name__ == "__main__":
    main()
