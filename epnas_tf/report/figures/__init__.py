"""The report's pictures: one module per subject, based on `drawing` (what they share) and `svg` (the file format)."""
