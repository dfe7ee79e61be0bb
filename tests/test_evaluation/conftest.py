"""Data samples as evaluators get them from the loop."""
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger


@pytest.fixture
def warnings(caplog):
    """What the log of the run is told."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture
def evaluate():
    """Run a metric over data samples in batches, as an evaluation loop would."""

    def run(metric, samples, meta, batch=1):
        metric.dataset_meta = meta
        for start in range(0, len(samples), batch):
            metric.process({}, samples[start:start + batch])
        return metric.evaluate(len(samples))

    return run


def data_sample(path, labels, heads=None, predictions=None, logits=None, **meta):
    """One data sample; arrays are (H, W), logits (K, H, W)."""
    sample = dict(img_path=path, gt_sem_seg=dict(data=torch.as_tensor(labels)[None].long()), **meta)
    sample['uncertainty'] = {head: torch.as_tensor(scores)[None] for head, scores in (heads or {}).items()}
    if logits is not None:
        sample['seg_logits'] = dict(data=torch.as_tensor(logits))
        predictions = torch.as_tensor(logits).argmax(0) if predictions is None else predictions
    if predictions is not None:
        sample['pred_sem_seg'] = dict(data=torch.as_tensor(predictions)[None].long())
    return sample


@pytest.fixture
def sample():
    return data_sample


@pytest.fixture
def anomaly_samples():
    """Images of different sizes with anomalies, void, and two heads."""

    def make(images=5, seed=0):
        random = np.random.default_rng(seed)
        samples = []
        for index in range(images):
            shape = (20 + 3 * index, 30 - 2 * index)
            labels = random.choice([0, 1, 255], p=[.7, .15, .15], size=shape)
            scores = (random.normal(size=shape) + 1.5 * (labels == 1)).astype(np.float32)
            samples.append(data_sample(f'images/{index}.png', labels, dict(energy=scores, tied=scores.round(1))))
        return samples

    return make


@pytest.fixture
def class_samples():
    """Images of different sizes with class labels, void, logits and two heads."""

    def make(images=5, seed=0, classes=4):
        random = np.random.default_rng(seed)
        samples = []
        for index in range(images):
            shape = (12 + 3 * index, 25 - 2 * index)
            labels = random.integers(0, classes, shape)
            logits = random.normal(size=(classes, *shape)) + 2 * (np.arange(classes)[:, None, None] == labels)
            labels[random.random(shape) < .1] = 255
            logits = torch.from_numpy(logits.astype(np.float32))
            heads = dict(msp=1 - logits.softmax(0).amax(0), max_logit=-logits.amax(0))
            samples.append(data_sample(f'images/{index}.png', labels, heads, logits=logits))
        return samples

    return make
