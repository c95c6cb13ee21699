"""Lengths that do not mean what people think: epochs written as updates, and runs no longer than their warm-up."""

from ratesmith.lengths.rule import LengthNote, ends_in_warmup, length_notes, length_warnings

__all__ = ["LengthNote", "ends_in_warmup", "length_notes", "length_warnings"]
