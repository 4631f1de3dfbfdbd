"""The surrogate in plain Keras layers: what a user of Keras would train and predict with."""

import keras

from epnas_tf.config import SurrogateConfig
from epnas_tf.surrogate import lstm
from epnas_tf.surrogate.surrogate import Surrogate


def build_model(num_levels: int, num_features: int, config: SurrogateConfig, masked: bool) -> keras.Model:
    """Returns a compiled model from symbol arrays [rows, levels, features] to scores [rows, 1].

    Args:
        num_levels: levels of the longest sequence.
        num_features: length of a level's symbol array.
        config: the sizes, and the learning rate.
        masked: whether rows may be shorter, padded with zeros; where none is, the mask would only cost time.
    """
    uniform = keras.initializers.RandomUniform(-1.0, 1.0)
    model = keras.Sequential(
        [
            keras.Input((num_levels, num_features)),
            *([keras.layers.Masking()] if masked else []),
            keras.layers.Dense(config.input_units, kernel_initializer=uniform),
            keras.layers.LSTM(config.hidden_units),
            keras.layers.Dense(1, "sigmoid", kernel_initializer=uniform),
        ]
    )
    model.compile(keras.optimizers.Adam(config.surrogate_learning_rate), "mean_absolute_error")
    return model


def copy_weights(surrogate: Surrogate, model: keras.Model) -> None:
    """Gives a model of `build_model` the weights of the paper's surrogate, an ensemble of one."""
    found = surrogate.get_state()
    names = lstm.Weights._fields
    model.set_weights(
        [found[f"surrogate/{name}"].reshape(own.shape) for name, own in zip(names, model.weights, strict=True)]
    )
