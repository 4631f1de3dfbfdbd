"""What the commands show while they work: one module a kind of work."""
