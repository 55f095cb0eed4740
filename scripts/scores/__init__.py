"""The parts of scripts/scores_page.py: the runs kept under docs/scores, as a page."""
