"""Statistics of the scores of several seeds, as pure functions."""

import math
import statistics

from finetuning.evaluation.scoring import MAIN_SCORE


def summary(values):
    """Mean and spread of some numbers.

    Args:
      values: sequence of floats, one or more.

    Returns:
      Dictionary: n, mean, sd (of a sample: n - 1 below the root; None for n = 1),
      median, min, max.
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


def pooled_sd(first, second):
    """The pooled standard deviation of two samples, or None where neither has a spread.

    Args:
      first: dictionary of `summary`.
      second: another.

    Returns:
      sqrt(((n1 - 1) sd1^2 + (n2 - 1) sd2^2) / (n1 + n2 - 2)).
    """
    freedom = first["n"] + second["n"] - 2
    if not freedom:
        return None
    squares = sum((of["n"] - 1) * (of["sd"] or 0.0) ** 2 for of in (first, second))
    return math.sqrt(squares / freedom)


def distance(first, second):
    """Difference of two means in pooled standard deviations; None where that is 0."""
    pooled = pooled_sd(first, second)
    return (first["mean"] - second["mean"]) / pooled if pooled else None


def failed_to_train(result):
    """Whether a run learned nothing: one answer for all, or no better than that.

    Args:
      result: dictionary of an eval_results.json.
    """
    score = result["results"][MAIN_SCORE]
    return bool(result["predicted_one_class"]) or score <= result["majority_score"]
