"""The report's pictures: one module a subject, on `drawing` (what they share) and `svg` (how they are written)."""
