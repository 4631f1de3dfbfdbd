"""The benchmarks that `python -m benchmarks` lists, a module each."""
