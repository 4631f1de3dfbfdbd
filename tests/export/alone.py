"""Runs an exported file in a process of its own, where some packages cannot be imported; started as a script.

Arguments: the packages, separated by commas; the form; the file; an .npy file with images; the .npz file to write.
"""

import importlib.abc
import importlib.machinery
import sys

import numpy as np

BATCHES = (1, 300)


class Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages of some names, and fails to load them."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] in self.names else None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}")

    def exec_module(self, module):
        raise NotImplementedError


def serve_saved_model(path):
    import tensorflow as tf

    serve = tf.saved_model.load(path).signatures["serving_default"]
    return lambda images: {name: value.numpy() for name, value in serve(images=tf.constant(images)).items()}


def serve_keras(path):
    import keras

    model = keras.models.load_model(path)
    return lambda images: {"probabilities": model(images, training=False).numpy()}  # `predict` compiles with XLA first


def main(missing, form, path, images_file, output):
    names = missing.split(",")
    sys.meta_path.insert(0, Missing(names))
    serve = {"saved_model": serve_saved_model, "keras": serve_keras}[form](path)
    images = np.resize(np.load(images_file), (max(BATCHES), *np.load(images_file).shape[1:]))
    results = {}
    for count in BATCHES:
        outputs = serve(images[:count])
        results |= {
            f"{name}_{count}": value.astype(str) if value.dtype == object else value for name, value in outputs.items()
        }
    for name in names:
        try:
            __import__(name)
        except ModuleNotFoundError:
            continue
        raise SystemExit(f"{name} can be imported")
    np.savez(output, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
