"""Statistics of the scores of several seeds, as pure functions."""

import math
import statistics

from finetuning.evaluation.scoring import MAIN_SCORE


def summarize(values):
    """Returns the mean and spread of one or more numbers.

    Returns:
      Dictionary: n, mean, sd (sample standard deviation; None for n = 1), median, min,
      max.

    Example:
      summarize([0.5, 0.7])["mean"]  # 0.6
    """
    values = [float(value) for value in values]
    return {
        "n": len(values),
        "mean": math.fsum(values) / len(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def distance(first, second):
    """Returns the difference of two means in pooled standard deviations.

    The pooled standard deviation is
    sqrt(((n1 - 1) sd1^2 + (n2 - 1) sd2^2) / (n1 + n2 - 2)).

    Args:
      first: dictionary from `summarize`.
      second: likewise.

    Returns:
      A float, or None if the pooled standard deviation is 0 or undefined.
    """
    freedom = first["n"] + second["n"] - 2
    squares = sum(
        (group["n"] - 1) * (group["sd"] or 0) ** 2 for group in (first, second)
    )
    if not squares:
        return None
    return (first["mean"] - second["mean"]) / math.sqrt(squares / freedom)


def failed_to_train(result):
    """Returns whether a run predicted only one class or no better than the majority.

    Args:
      result: dictionary of an eval_results.json.
    """
    score = result["results"][MAIN_SCORE]
    return bool(result["predicted_one_class"]) or score <= result["majority_score"]
