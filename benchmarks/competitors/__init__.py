"""What runs in the benchmarks' own processes: ours, and what it is compared with. All TensorFlow is in here."""
