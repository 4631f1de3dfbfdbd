"""The trained network as files that run without this package: SavedModel, .keras, TFLite.

- `plain`: the network in Keras's own layers; `writers`: its files; `formats`: how far each may be from the network.
- `exporter`: writes, loads again, compares; `target`: the folder; `images`: what is compared on.

Importing this package imports neither TensorFlow nor Keras.
"""

from epnas_tf.export.exporter import Export, ExportedFile, ExportResult, export_network
from epnas_tf.export.formats import FORMATS, ExportError, Format, Parity

__all__ = ["FORMATS", "Export", "ExportError", "ExportResult", "ExportedFile", "Format", "Parity", "export_network"]
