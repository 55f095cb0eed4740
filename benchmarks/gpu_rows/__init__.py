"""What gpu_report.py is made of: the list of rows, their processes and the page."""
