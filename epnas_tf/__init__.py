"""Efficient progressive neural architecture search in TensorFlow and Keras (Pérez-Rúa, Baccouche, Pateux, 2018).

The public names. They are imported when they are first used, so `import epnas_tf` costs nothing and does not import
TensorFlow.
"""

import os
import platform
from typing import Any

import lazy_loader

__version__ = "0.3.0"

if platform.machine() == "x86_64":
    # Without AVX-512, TensorFlow leaves oneDNN's convolutions off, which take half the time there, too. It reads this
    # while it is imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_import, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    try:
        return _import(name)
    except AttributeError:
        raise
    except Exception:  # Keras raises several where it is set to a backend that is not there
        from epnas_tf.environment import check_backend

        check_backend()
        raise
