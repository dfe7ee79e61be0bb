"""Thresholds are those of the file, the last name first."""
import json

import pytest

from mmseg_uncertainty.evaluation.metrics.thresholds import ThresholdError, read_thresholds


@pytest.fixture
def file(tmp_path):
    def write(**metrics):
        path = tmp_path / 'run.json'
        path.write_text(json.dumps(dict(metrics={name.replace('__', '/'): value for name, value in metrics.items()})))
        return path
    return write


def test_every_head_has_the_threshold_that_counts_most(file):
    path = file(**{'a__F1_threshold[pooled]': .5, 'a__threshold[pooled]': .25, 'b__F1_threshold[fishyscapes]': .75,
                   'c__F1_threshold[per_image]': 1., 'b__F1[pooled]': 90.})
    assert read_thresholds(path) == dict(a=.25, b=.75)
    assert read_thresholds(path, ['F1_threshold'], 'per_image') == dict(c=1.)


def test_a_file_without_any_is_named(file):
    path = file(**{'a__F1[pooled]': 90.})
    with pytest.raises(ThresholdError, match='run.json holds no thresholds. Make it with'):
        read_thresholds(path)
