"""The files of a run: directories, states, records and TensorBoard logs, each written whole or not at all."""
