"""What scripts/fetch.py is made of: GLUE's data and Google's checkpoints, checked."""
