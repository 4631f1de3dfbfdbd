"""The tests, and where the bytecode of what they import is kept."""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:  # each of the many processes would compile TensorFlow, Keras and SciPy again: 10 s of work
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parents[1] / "build" / "pycache")
    os.environ["PYTHONDONTWRITEBYTECODE"] = ""
