"""What runs in the processes of the benchmarks: ours, and what it is measured against. All TensorFlow is in here."""
