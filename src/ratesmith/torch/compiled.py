"""What torch.compile must leave out, and whether it is at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# As torch keeps its own optimizers' hooks out of what it compiles. The public name would import the compiler at once.
not_compiled: Callable[[Any], Any] = getattr(torch, "_disable_dynamo", lambda function: function)
compiler: Callable[[], Any] = getattr(torch._C._dynamo.eval_frame, "get_eval_frame_callback", lambda: None)
"""What compiles the functions that are called now, None where nothing does. To ask is cheaper than `not_compiled`."""
