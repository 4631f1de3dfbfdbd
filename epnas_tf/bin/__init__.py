"""The binaries: flags to settings to the search; nothing else."""
