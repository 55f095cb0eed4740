"""The programs that bench.py times, each in a process of its own."""
