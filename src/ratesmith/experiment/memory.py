"""Whether a run that failed, as its message has it, lacked memory: it may then fit with fewer runs beside it.

`ratesmith.task.is_out_of_memory` sees the error itself; from a worker, or from the store, only its message comes.
"""

from __future__ import annotations

from typing import Final

from ratesmith.task import OF_MEMORY, SHORT_OF_MEMORY

PHRASES: Final = tuple(phrase.lower() for phrase in (*SHORT_OF_MEMORY, *OF_MEMORY, "for want of memory"))
"""What errors say of it, in small letters, with the names of their types; the last is an engine's own."""
PERHAPS: Final = "perhaps for want of memory"
"""What is said of a process that was ended by SIGKILL: the system's way when memory is short, and a user's."""
REMEDY: Final = "it does not fit into memory, even alone: give the task a smaller batch, or a smaller model"


def tells_out_of_memory(text: str) -> bool:
    """Whether a message, with the type of its error, says that memory did not suffice.

    >>> tells_out_of_memory("mine.py:task, line 3: OutOfMemoryError: CUDA out of memory. Tried ...")
    True
    >>> tells_out_of_memory("the worker process was ended by SIGKILL, perhaps for want of memory")
    False
    """
    return PERHAPS not in text and any(phrase in text.lower() for phrase in PHRASES)


def tells_perhaps_out_of_memory(text: str) -> bool:
    """Whether a process was ended in the way in which systems end one when memory is short."""
    return PERHAPS in text
