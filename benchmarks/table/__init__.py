"""A tabular benchmark: a file of networks that were all trained once, as a search space with known scores."""
