"""Measurements, each behind `python -m benchmarks NAME`; where two competitors are compared, they run interleaved."""
