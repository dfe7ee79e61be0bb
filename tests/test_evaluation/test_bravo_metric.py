"""Laws of ``--eval bravo``."""
import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from mmseg_uncertainty.evaluation import BravoMetric

META = dict(classes=tuple('abcd'), dataset_name='altered streets')


@pytest.fixture
def altered(class_samples):
    """Streets with altered places, as labels 253."""
    def make(folder='{index}.png', **options):
        samples = class_samples(**options)
        for index, part in enumerate(samples):
            labels = part['gt_sem_seg']['data']
            labels[..., :6, :6] = torch.where(labels[..., :6, :6] == 255, 255, 253)
            part['img_path'] = folder.format(index=index)
        return samples
    return make


def test_heads_that_are_no_confidence_are_left_out_and_named(evaluate, altered, warnings):
    metric = BravoMetric(resamples=20)
    metrics = evaluate(metric, altered(), META)
    assert {key.partition('/')[0] for key in metrics if '/' in key} == {'msp'}
    assert "head 'max_logit' scores from" in warnings.text
    assert set(metrics) == {f'BRAVO_mIoU{end}[bravo]' for end in ('', '_low', '_high')} | {
        f'msp/BRAVO_{name}[bravo]' for name in ('ECE', 'AUROC', 'AP_success', 'AP_error', 'FPR95', 'hmean', 'OOD_AUROC', 'OOD_AP',
                                                'OOD_FPR95')}
    assert metrics['BRAVO_mIoU_low[bravo]'] <= metrics['BRAVO_mIoU[bravo]'] <= metrics['BRAVO_mIoU_high[bravo]']


def test_miou_is_that_of_the_pixels_that_are_neither_void_nor_altered(evaluate, altered):
    samples = altered()
    labels, predictions = (np.concatenate([part[name]['data'].numpy().ravel() for part in samples])
                           for name in ('gt_sem_seg', 'pred_sem_seg'))
    known = labels < 4
    assert 0 < (labels == 253).sum() < known.sum()
    expected = 100 * jaccard_score(labels[known], predictions[known], average='macro')
    assert evaluate(BravoMetric(resamples=0), samples, META)['BRAVO_mIoU[bravo]'] == pytest.approx(expected)


def test_neither_order_nor_batches_matter(evaluate, altered):
    first = evaluate(BravoMetric(resamples=0), altered(), META)
    assert first == evaluate(BravoMetric(resamples=0), altered()[::-1], META, batch=3)


def test_void_pixels_do_not_count_whatever_their_score(evaluate, altered):
    first = evaluate(BravoMetric(resamples=0), altered(), META)
    samples = altered()
    for part in samples:
        void = part['gt_sem_seg']['data'] == 255
        part['uncertainty'] = {head: maps.masked_fill(void, 7.) for head, maps in part['uncertainty'].items()}
        part['pred_sem_seg']['data'][void] = 0
    assert evaluate(BravoMetric(resamples=0), samples, META) == first


def test_subsets_are_those_of_the_paths_and_only_all_nine_make_an_index(evaluate, altered):
    paths = [f'bravo_ACDC/rgb_anon/{kind}/{{index}}.png' for kind in ('fog', 'rain', 'night', 'snow')]
    paths += [f'data/bravo_{name}/x/{{index}}.png' for name in ('synrain', 'SMIYC', 'synobjs', 'synflare', 'outofcontext')]
    images = [part for seed, path in enumerate(paths) for part in altered(path, images=1, seed=seed)]
    metric = BravoMetric(resamples=0)
    metrics = evaluate(metric, images, META)
    assert metric.provenance['subsets']['ACDCfog'] == 1 and len(metric.provenance['subsets']) == 9
    assert 'msp/BRAVO_OOD_AP.SMIYC[bravo]' in metrics and 'msp/BRAVO_AUROC.SMIYC[bravo]' not in metrics
    assert 'msp/BRAVO_OOD_AP.synrain[bravo]' not in metrics
    halves = [metrics[f'msp/BRAVO_{half}_hmean[bravo]'] for half in ('semantic', 'OOD')]
    assert metrics['msp/BRAVO_index[bravo]'] == pytest.approx(2 / sum(1 / half for half in halves))
    fewer = BravoMetric(resamples=0)
    assert 'msp/BRAVO_index[bravo]' not in evaluate(fewer, images[:-1], META)
    assert fewer.provenance['missing_subsets'] == ['outofcontext']


def test_an_unknown_subset_is_named(evaluate, altered):
    with pytest.raises(ValueError, match="0.png: subset 'fog' is none of BRAVO. Choose from ACDCfog"):
        evaluate(BravoMetric(), altered(), dict(META, subset='fog'))


def test_anomaly_labels_take_part_in_one_half(evaluate, anomaly_samples):
    samples = anomaly_samples()
    for part in samples:
        part['uncertainty'] = dict(msp=part['uncertainty']['energy'].sigmoid())
    metrics = evaluate(BravoMetric(resamples=0), samples, dict(classes=('in', 'out'), label_kind='anomaly', subset='SMIYC'))
    assert {key for key in metrics if '.' in key} == {
        f'msp/BRAVO_{name}.SMIYC[bravo]' for name in ('OOD_AUROC', 'OOD_AP', 'OOD_FPR95', 'hmean')}
    assert np.isnan(metrics['msp/BRAVO_semantic_hmean[bravo]'])


def test_scores_that_are_no_numbers_are_refused(evaluate, altered):
    samples = altered()
    samples[2]['uncertainty']['msp'][0, 8, 8] = np.nan
    samples[2]['gt_sem_seg']['data'][0, 8, 8] = 1
    with pytest.raises(ValueError, match="2.png: head 'msp' gave 1 NaN or infinite scores"):
        evaluate(BravoMetric(), samples, META)
