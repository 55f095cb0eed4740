"""Counts and latencies of requests, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import bisect
import collections
import itertools
import threading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds in seconds.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What a server has answered; may be used by several threads at once."""

    def __init__(self):
        self._lock = threading.Lock()
        self._requests = collections.Counter()
        self._instances = 0
        self._buckets = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0

    def count_request(self, endpoint, status):
        """Counts an answer, by the kind of its path and its status, such as 200."""
        with self._lock:
            self._requests[endpoint, status] += 1

    def count_prediction(self, instances, seconds):
        """Counts the examples of a prediction that succeeded, and its latency."""
        with self._lock:
            self._instances += instances
            self._seconds += seconds
            self._buckets[bisect.bisect_left(_BUCKETS, seconds)] += 1

    def text(self):
        """All numbers, as `GET /metrics` answers them."""
        with self._lock:
            requests = sorted(self._requests.items())
            cumulative = list(itertools.accumulate(self._buckets))
            instances, seconds = self._instances, self._seconds
        name = "finetuning_predict_seconds"
        lines = [
            "# HELP finetuning_requests_total Requests that were answered.",
            "# TYPE finetuning_requests_total counter",
        ]
        lines += [
            'finetuning_requests_total{endpoint="%s",status="%d"} %d' % (*labels, count)
            for labels, count in requests
        ]
        lines += [
            "# HELP finetuning_instances_total Examples that were predicted.",
            "# TYPE finetuning_instances_total counter",
            "finetuning_instances_total %d" % instances,
            "# HELP %s Latency of predictions that succeeded." % name,
            "# TYPE %s histogram" % name,
        ]
        lines += [
            '%s_bucket{le="%s"} %d' % (name, bound, count)
            for bound, count in zip([*map(str, _BUCKETS), "+Inf"], cumulative)
        ]
        lines += [
            "%s_sum %.6f" % (name, seconds),
            "%s_count %d" % (name, cumulative[-1]),
        ]
        return "\n".join(lines) + "\n"
