"""What Ratesmith suggests as code that runs without it; no framework has to be installed to write it."""

from ratesmith.exporters.forms import code, forms

__all__ = ["code", "forms"]
