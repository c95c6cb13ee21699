"""What all tests share: the examples that laws are tried on, and what of other frameworks can be tested here."""

import importlib.util
import os

from hypothesis import settings

# The same examples for everybody, and no time limit on a busy machine; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

os.environ.setdefault("KERAS_BACKEND", "numpy")
collect_ignore = [
    f"src/ratesmith/{name}.py" for name in ("keras", "lightning", "transformers") if not importlib.util.find_spec(name)
]
