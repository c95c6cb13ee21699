"""Whether a run failed for want of memory: then it may fit with fewer runs beside it, and the task is not to blame."""

from __future__ import annotations

from typing import Final

from ratesmith.task import OF_MEMORY, SHORT_OF_MEMORY

PERHAPS: Final = "perhaps for want of memory"
"""What is said of a process that was ended by SIGKILL: the system's way when memory is short, and a user's."""
REMEDY: Final = "it does not fit into memory, even alone: give the task a smaller batch, or a smaller model"


def says_out_of_memory(text: str) -> bool:
    """Whether an error's text, with its type, says that memory did not suffice.

    >>> says_out_of_memory("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    True
    >>> says_out_of_memory("the worker process was ended by SIGKILL, perhaps for want of memory")
    False
    """
    phrases = (*SHORT_OF_MEMORY, *OF_MEMORY, "for want of memory")  # the last is an engine's own
    return PERHAPS not in text and any(phrase.lower() in text.lower() for phrase in phrases)


def is_perhaps_out_of_memory(text: str) -> bool:
    """Whether a process was ended in the way in which systems end one when memory is short."""
    return PERHAPS in text
