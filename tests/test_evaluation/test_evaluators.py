"""The names of ``--eval``."""
import pytest
from mmseg.registry import METRICS

from mmseg_uncertainty.evaluation import EVALUATORS, StreamingMetric, evaluator_config

OPTIONS = {'OOD-image': dict(in_domain='x')}
OWN = [name for name, config in EVALUATORS.items() if config['type'] != 'CoverageMetric']


@pytest.mark.parametrize('name', OWN)
def test_names_are_found_whatever_their_case(name):
    metric = METRICS.build(evaluator_config(name.lower(), **OPTIONS.get(name, {})))
    assert isinstance(metric, StreamingMetric) and metric.eval_name == name


def test_the_published_protocol_of_open_set_iou_is_a_metric_of_its_own():
    assert evaluator_config('oiou', protocol='published')['type'] == 'PublishedOpenSetMetric'


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match='mFishy'):
        evaluator_config('mAuROC')
