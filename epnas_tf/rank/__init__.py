"""How far the scores on shared weights can be trusted: they are compared with those of trainings of one's own."""
