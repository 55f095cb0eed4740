"""Writes docs/ERRORS.md: runs the program on every bad input that the tests know."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "tests")]

from finetuning.device import backend  # noqa: E402


def main():
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # The answers are those of a CPU.
    backend.start()
    import bad_inputs
    from bad_input_cases import CASES, ODD

    text = bad_inputs.page(CASES + ODD, list(bad_inputs.answers_to(CASES + ODD)))
    with open(bad_inputs.PAGE, "w", encoding="utf-8") as file:
        file.write(text)
    print("%d kinds of bad input: written to %s" % (len(CASES), bad_inputs.PAGE))


if __name__ == "__main__":
    sys.exit(main())
