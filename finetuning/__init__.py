"""The program behind run_classifier.py; `run.main` is the story of one run.

Data flows one way: flags, checks, data, model, training, evaluation, results.
CONTRIBUTING.md has a map of the packages.
"""
