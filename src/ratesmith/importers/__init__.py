"""Schedules that the configurations of others name, as values; none of those systems has to be installed."""

from ratesmith.importers.deepspeed import from_deepspeed
from ratesmith.importers.megatron import from_megatron
from ratesmith.importers.transformers import from_transformers

__all__ = ["from_deepspeed", "from_megatron", "from_transformers"]
