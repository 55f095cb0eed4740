"""The programs beside run_classifier.py: each runs by its path or as a module."""
