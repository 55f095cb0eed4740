"""Programs around run_classifier.py; each can be run by its path or as a module."""
