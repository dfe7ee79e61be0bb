"""Means over the domains of a sweep."""
import math
from types import SimpleNamespace

import pytest

from mmseg_uncertainty.apis.sweep_tables import Row, domain_rows
from mmseg_uncertainty.functional.bravo import SEMANTIC, bravo_index
from mmseg_uncertainty.functional.corruption_average import harmonic_mean

FOUND = dict(mIoU=.6, ECE=.1, AUROC=.8, AP_success=.9, AP_error=.5, FPR95=.7)
PLAN = SimpleNamespace(domains=dict(weather=['fog', 'rain']), report=['mIoU', 'ECE'])


def row(dataset, metric, value, head='msp'):
    return Row('net', 'none', dataset, 'clean', 0, '', head, metric, 'pooled', value)


def plain_rows():
    return [row(dataset, metric, value, head) for dataset in ('fog', 'rain') for metric, value, head in (
        ('mIoU', 60., ''), ('ECE', .1, ''), ('IDM_AUROC', 80., 'msp'), ('IDM_AP', 50., 'msp'), ('IDM_FPR95', 70., 'msp'))]


def bravo_rows(datasets=('fog', 'rain')):
    return [row(dataset, f'BRAVO_{name}.ACDC{dataset}', (1 if name == 'ECE' else 100) * FOUND[name],
                '' if name == 'mIoU' else 'msp') for dataset in datasets for name in SEMANTIC]


def test_the_mean_of_a_domain_is_named_for_what_it_is():
    found, = domain_rows(PLAN, plain_rows())
    assert found['harmonic_mean'] == pytest.approx(100 * harmonic_mean([.6, .9, .8, .5, .3]))
    assert not any('BRAVO' in name or name == 'reliability' for name in found)


def test_the_semantic_half_of_bravo_is_that_of_its_index():
    found, = domain_rows(PLAN, plain_rows() + bravo_rows())
    expected = bravo_index({f'ACDC{dataset}': FOUND for dataset in ('fog', 'rain')}).semantic
    assert found['BRAVO_semantic_hmean'] == pytest.approx(100 * expected)


def test_a_dataset_that_lacks_its_numbers_leaves_the_mean_empty():
    found, = domain_rows(PLAN, plain_rows() + bravo_rows(['fog']))
    assert math.isnan(found['BRAVO_semantic_hmean'])
