"""Speed, memory and scores, compared with other programs; see README.md."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
