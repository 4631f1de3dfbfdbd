"""Data sets of TensorFlow Datasets: `source` reads them, by `features` and `downloads`."""
