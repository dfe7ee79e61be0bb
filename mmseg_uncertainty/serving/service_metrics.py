"""What Prometheus reads of a service."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, Summary, generate_latest

PREFIX = 'mmseg_uncertainty'
SECONDS = (.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60)


class ServiceMetrics:
    """Counters of one service, and memory and processor time of its process.

    Args:
        busy: Number of requests under way.
    """

    def __init__(self, busy: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter('requests', 'Answers to /predict by status', ['status'], **self._place)
        self.seconds = Histogram('request_seconds', 'From the first byte of a request to its answer', buckets=SECONDS,
                                 **self._place)
        self.batch = Histogram('batch_images', 'Images in a pass', buckets=(1, 2, 4, 8, 16, 32, 64), **self._place)
        # A gauge, as sums of scores may fall, which those of a summary must not.
        self.uncertainty = Gauge('mean_uncertainty', 'Mean uncertainty of the last image by head', ['head'], **self._place)
        self.flagged = Summary('flagged_share', 'Share of flagged pixels of an image by decision', ['decision'], **self._place)
        Gauge('requests_under_way', 'Requests between their first byte and their answer', **self._place).set_function(busy)

    def saw(self, summary: Mapping) -> None:
        """Count the summary of a prediction."""
        for head, values in summary['uncertainty'].items():
            self.uncertainty.labels(head).set(values['mean'])
        for decision, values in summary.get('flags', {}).items():
            self.flagged.labels(decision).observe(values['flagged_share'])

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)

    @property
    def _place(self) -> dict:
        return dict(namespace=PREFIX, registry=self.registry)
