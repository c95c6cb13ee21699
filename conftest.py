"""What all tests share: Keras is asked for its smallest backend, and its rim is left out where it is not installed."""

import importlib.util
import os

os.environ.setdefault("KERAS_BACKEND", "numpy")
collect_ignore = [] if importlib.util.find_spec("keras") else ["src/ratesmith/keras.py"]
