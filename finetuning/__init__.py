"""The machinery behind run_classifier.py, one subject a module.

Data flows one way: settings -> tasks -> features -> classifier -> loop -> metrics
-> results. tests/test_architecture.py checks which package may import which.
"""
