"""A small network trained on the digits, in every form that a classifier may have on the disk."""

import json
import warnings

import keras
import numpy as np
import tensorflow as tf

from epnas_tf.config import DataConfig, FinalNetworkConfig, RecipeConfig, TrainingConfig
from epnas_tf.data import load
from epnas_tf.network import Network, VariableStore, to_model
from epnas_tf.space.serialization import architecture_from_dict
from epnas_tf.storage.data_file import describe_data, save_description
from epnas_tf.storage.training_directory import TrainingDirectory
from epnas_tf.training.trained import STORE, final_shape

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CONFIG = TrainingConfig(FinalNetworkConfig(channels=8), RecipeConfig(epochs=1), DataConfig(), seed=3)
LAYERS = [{"operation": "conv_3x3", "skips": []}, {"operation": "max_pool_3x3", "skips": [0]}]
ARCHITECTURE = {"format": "epnas_tf.architecture", "version": 1, "space": "macro", "layers": LAYERS}


def digits():
    """Returns the digits as the trainings here see them."""
    return load(CONFIG.data, CONFIG.seed)


def train(model, images, labels):
    keras.utils.set_random_seed(1)  # also for a process in which a test has made operations deterministic
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(images, labels, epochs=3, batch_size=64, verbose=0)
    return model


def plain_model(data):
    """Returns a trained Keras model of raw pixels."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input(data.image_shape, dtype="uint8"), keras.layers.Rescaling(1 / 255)]
    layers += [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten()]
    layers += [keras.layers.Dense(data.num_classes, activation="softmax")]
    return train(keras.Sequential(layers), data.train.images, data.train.labels)


class Served(tf.Module):
    """What an exported SavedModel gives: probabilities and names."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

        @tf.function(input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.uint8, "images")])
        def serve(images):
            probabilities = model(images)
            names = tf.constant(self.names)
            best = tf.gather(names, tf.argmax(probabilities, axis=-1))
            return {"class_name": best, "class_names": names, "probabilities": probabilities}

        self.serve = serve


def save_forms(folder, model, names=NAMES):
    """Writes a model as .keras, SavedModel and .tflite, and the names of its classes beside."""
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    served = Served(model, names)
    tf.saved_model.save(served, folder / "saved_model", {"serving_default": served.serve})
    (folder / "model.tflite").write_bytes(tflite(model))
    (folder / "export.json").write_text(json.dumps({"class_names": list(names)}))
    return folder


def tflite(model, **options):
    """Returns the bytes of a model as TFLite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter's own
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        for name, value in options.items():
            setattr(converter, name, value)
        return converter.convert()


def save_final(final_dir, data):
    """Writes a finished final training and returns its network as a Keras model of normalised images."""
    architecture = architecture_from_dict(ARCHITECTURE)
    description = describe_data(data)
    store = VariableStore(CONFIG.seed)
    network = Network(architecture, final_shape(architecture, description, CONFIG.network), store)
    model = train(to_model(network), (data.train.images - data.mean) / data.std, data.train.labels)
    index, arrays = store.get_state()
    with TrainingDirectory(final_dir, CONFIG, (str(architecture),)) as directory:
        save_description(final_dir, description)
        directory.save_best(architecture)
        directory.append_record({"epoch": 1})
        directory.save_state({"store": index}, {STORE + name: np.asarray(a) for name, a in arrays.items()})
    return model
