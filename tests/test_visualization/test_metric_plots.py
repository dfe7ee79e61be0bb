"""Every plot is written, also when a head has nothing to show."""
import numpy as np
import pytest

from mmseg_uncertainty.functional.calibration_error import ReliabilitySums
from mmseg_uncertainty.functional.score_histogram import rank_exactly
from mmseg_uncertainty.visualization.metric_plots import plot_ranking_curves, plot_reliability, plot_risk_coverage


@pytest.mark.parametrize('plot', [plot_ranking_curves, plot_risk_coverage])
def test_curves_are_written(plot, tmp_path):
    random = np.random.default_rng(0)
    heads = {'flow': rank_exactly(random.normal(size=3000) + 1, random.normal(size=4000)),
             'no positives': rank_exactly(np.empty(0), random.normal(size=9)),
             'nothing': rank_exactly(np.empty(0), np.empty(0))}
    path = plot(heads, tmp_path / 'plots' / 'curves.png', 'toy')
    assert path.read_bytes().startswith(b'\x89PNG')


def test_reliability_is_written_without_pixels_in_some_bins(tmp_path):
    counts = np.arange(15) * np.int64(10)
    sums = ReliabilitySums(counts, counts // 2, counts * .7)
    assert plot_reliability(sums, tmp_path / 'reliability.png', 'toy').stat().st_size > 1000
