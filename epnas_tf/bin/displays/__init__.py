"""Displays of running work, one module per kind."""
