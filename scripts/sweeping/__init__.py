"""The parts of scripts/sweep.py: many runs of one task, their table and picture."""
