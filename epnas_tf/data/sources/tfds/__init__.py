"""Data sets of TensorFlow Datasets: `source` reads them, by the features that `features` chooses."""
