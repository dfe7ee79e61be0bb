"""Laws of ``--eval OOD-image``."""
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmseg_uncertainty.evaluation import ImageOODMetric

META = dict(classes=tuple('abcd'), dataset_name='toy weather')


@pytest.fixture
def domains(sample):
    random = np.random.default_rng(0)

    def make(name, count, shift):
        return [sample(f'{name}/{index:03}.png', np.full((4, 5), 255),
                       dict(msp=(random.normal(size=(4, 5)) + shift + .3 * random.normal()).astype(np.float32)))
                for index in range(count)]

    return dict(clear=make('clear', 15, 0.), fog=make('fog', 9, .5), night=make('night', 8, 1.5))


def expected(shifted, inside):
    means = [[part['uncertainty']['msp'].double().mean() for part in parts] for parts in (shifted, inside)]
    return 100 * roc_auc_score([1] * len(shifted) + [0] * len(inside), means[0] + means[1])


def test_conditions_against_the_domain(evaluate, domains):
    metric = ImageOODMetric(in_domain='^clear/', condition=r'^(\w+)/', resamples=100)
    metrics = evaluate(metric, sum(domains.values(), []), META)
    for suffix, names in (('', ('fog', 'night')), ('.fog', ('fog', )), ('.night', ('night', ))):
        shifted = sum((domains[name] for name in names), [])
        value = metrics[f'msp/OOD-image_AUROC{suffix}[pooled]']
        assert value == pytest.approx(expected(shifted, domains['clear']))
        low, high = (metrics[f'msp/OOD-image_AUROC{suffix}_{side}[pooled]'] for side in ('low', 'high'))
        assert low <= value <= high


def test_two_runs_give_the_same_as_one(evaluate, domains, tmp_path):
    file = str(tmp_path / 'clear.json')
    alone = evaluate(ImageOODMetric(scores_file=file), domains['clear'], META)
    assert np.isnan(alone['msp/OOD-image_AUROC[pooled]'])
    metrics = evaluate(ImageOODMetric(reference=file), domains['night'], META)
    assert metrics['msp/OOD-image_AUROC[pooled]'] == pytest.approx(expected(domains['night'], domains['clear']))


def test_one_domain_alone_is_an_error_that_says_what_to_give():
    with pytest.raises(ValueError, match='in_domain'):
        ImageOODMetric()


def test_non_finite_scores_name_head_and_image(evaluate, domains):
    domains['fog'][2]['uncertainty']['msp'][0, 0, 0] = float('nan')
    with pytest.raises(ValueError, match=r"fog/002\.png: head 'msp'"):
        evaluate(ImageOODMetric(in_domain='clear'), domains['fog'], META)
