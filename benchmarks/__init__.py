"""Commands that measure: each runs our side and another side in turns in one call, and prints both and their ratio."""
