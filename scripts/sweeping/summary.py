"""Statistics of the scores of several seeds, as pure functions."""

import math
import statistics

from finetuning.evaluation.scoring import MAIN_SCORE


def summarize(values):
    """Returns the mean and spread of numbers; NaN and None are left out.

    Returns:
      Dictionary: n (how many numbers), mean, sd (sample standard deviation; None for
      n = 1), median, min, max; all but n are None for n = 0.

    Example:
      summarize([0.5, 0.7])["mean"]  # 0.6
    """
    values = [float(value) for value in values if is_number(value)]
    if not values:
        return dict(dict.fromkeys(("mean", "sd", "median", "min", "max")), n=0)
    return {
        "n": len(values),
        "mean": math.fsum(values) / len(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def is_number(score):
    """Whether a score can be compared: it is neither None nor NaN."""
    return score is not None and not math.isnan(score)


def best(scores):
    """Returns the key of the highest score of a dictionary; None if there is none.

    Example:
      best({"seed1": 0.7, "seed2": float("nan")})  # "seed1"
    """
    comparable = {key: score for key, score in scores.items() if is_number(score)}
    return max(comparable, key=comparable.get, default=None)


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
    if not squares or None in (first["mean"], second["mean"]):
        return None
    return (first["mean"] - second["mean"]) / math.sqrt(squares / freedom)


def failed_to_train(result):
    """Returns whether a run predicted one class only or not better than the majority.

    Args:
      result: dictionary of an eval_results.json.
    """
    score = result["results"][MAIN_SCORE]
    # A score that is NaN is not better, either.
    return bool(result["predicted_one_class"]) or not score > result["majority_score"]
