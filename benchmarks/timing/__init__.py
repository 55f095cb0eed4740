"""What bench.py is made of: examples, programs, measurements and the report."""
