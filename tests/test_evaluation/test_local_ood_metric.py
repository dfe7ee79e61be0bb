"""Laws of ``--eval OOD-local``."""
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mmseg_uncertainty.evaluation import LocalOODMetric, MisclassificationMetric

META = dict(classes=tuple('abcd'), dataset_name='toy streets', novel_labels=(20, 21))


@pytest.fixture
def novel_samples(class_samples):
    samples = class_samples()
    for sample in samples:
        labels = sample['gt_sem_seg']['data']
        labels[torch.rand(labels.shape, generator=torch.Generator().manual_seed(0)) < .2] = 20
        labels[:, 0, :3] = 21
    return samples


@pytest.mark.parametrize('listed', [None, [20]])
def test_novel_against_known_classes_and_nothing_else(evaluate, novel_samples, listed):
    metrics = evaluate(LocalOODMetric(listed, exact=True, resamples=0), novel_samples, META)
    labels, scores = (torch.cat([part.flatten() for part in parts]).numpy() for parts in (
        [sample['gt_sem_seg']['data'] for sample in novel_samples],
        [sample['uncertainty']['msp'] for sample in novel_samples]))
    novel = (labels == 20) | ((labels == 21) & (listed is None))
    seen = novel | (labels < 4)
    expected = 100 * roc_auc_score(novel[seen], scores[seen])
    assert metrics['msp/OOD-local_AUROC[pooled]'] == pytest.approx(expected, abs=1e-10)


def test_novel_classes_are_void_to_the_other_metrics(evaluate, novel_samples):
    before = evaluate(MisclassificationMetric(), novel_samples, META)
    for sample in novel_samples:
        labels = sample['gt_sem_seg']['data']
        labels[(labels == 20) | (labels == 21)] = 255
    assert evaluate(MisclassificationMetric(), novel_samples, META) == before


@pytest.mark.parametrize('listed, meta', [(None, {}), ([2], {}), ([255], {})])
def test_novel_classes_have_to_be_listed_and_novel(listed, meta):
    with pytest.raises(ValueError, match='novel_labels'):
        LocalOODMetric(listed).dataset_meta = dict(classes=tuple('abcd'), **meta)
