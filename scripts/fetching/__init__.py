"""Downloads and verifies GLUE's data and Google's checkpoints, for scripts/fetch.py."""
