"""Whether a run failed for want of memory: then it may fit with fewer runs beside it, and the task is not to blame."""

from __future__ import annotations

from typing import Final

from ratesmith._text import named_line

PHRASES: Final = (
    "out of memory",  # torch's, for CUDA, and most others'
    "can't allocate memory",  # torch's, for the processor
    "cannot allocate memory",  # the system's, ENOMEM
    "for want of memory",  # an engine's own words
    "outofmemoryerror",
    "memoryerror",
)
PERHAPS: Final = "perhaps for want of memory"
"""What is said of a process that was ended by SIGKILL: the system's way when memory is short, and a user's."""
REMEDY: Final = "it does not fit into memory, even alone: give the task a smaller batch, or a smaller model"


def is_out_of_memory(error: str | BaseException) -> bool:
    """Whether an error, or its text with its type, says that memory did not suffice.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory("OutOfMemoryError: CUDA out of memory. Tried ...")
    (True, True)
    >>> is_out_of_memory("the worker process was ended by SIGKILL, perhaps for want of memory")
    False
    """
    kinds = () if isinstance(error, str) else [kind.__name__ for kind in type(error).__mro__]
    text = error if isinstance(error, str) else named_line(error)
    # torch.OutOfMemoryError, torch.cuda.OutOfMemoryError and others' of that name
    named = "MemoryError" in kinds or "OutOfMemoryError" in kinds
    return PERHAPS not in text and (named or any(phrase in text.lower() for phrase in PHRASES))


def is_perhaps_out_of_memory(text: str) -> bool:
    """Whether a process was ended in the way in which systems end one when memory is short."""
    return PERHAPS in text
