"""Every detector on real data, and those that pytorch-ood has beside its own: what they find, what they cost, how they agree."""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from side_by_side import row, run_benchmark, seconds_in_turns
from torch import Tensor, nn

from mmseg_uncertainty.apis.run_config import use_dataset
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
from mmseg_uncertainty.functional import energy, entropy, msp
from mmseg_uncertainty.functional.activation_shaping import scale_activations
from mmseg_uncertainty.functional.boundary_distance import boundary_distance
from mmseg_uncertainty.functional.generalized_entropy import generalized_entropy
from mmseg_uncertainty.functional.posterior_templates import PosteriorSums, kl_matching
from mmseg_uncertainty.functional.ranking import average_precision, fpr_at_tpr
from mmseg_uncertainty.functional.score_histogram import rank_exactly
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import fit_in_order

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'local_configs'
BASES = dict(
    CGNet=('cgnet/cgnet_camvid', ROOT / 'data/weights/cgnet_camvid11_mmseg.pth'),
    SegFormer=('segformer/segformer_b0_camvid', ROOT / 'checkpoints/segformer_b0_camvid.pth'),
    ERFNet=('erfnet/erfnet_cityscapes', ROOT / 'data/weights/erfnet_cityscapes_mmseg.pth'))
# Every which image is measured.
DATASETS_AT_HAND = dict(fs_lost_found=5, road_anomaly=6, camvid=12, fs_static=5)
FITTED_EVERY, STEP = 18, 4
FURTHER = dict(vim=dict(type='ViMHead'), vim_published=dict(type='ViMHead', match='mean'), mahalanobis=dict(type='MahalanobisHead'),
               sml=dict(type='StandardizedMaxLogitHead'), max_logit=dict(type='MaxLogitHead'))


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Agreement and cost beside pytorch-ood where that can be imported, then AP and FPR95 where data is at hand."""
    yield from beside_pytorch_ood(args.quick)
    if not (ROOT / 'data').is_dir():
        return
    init_default_scope('mmseg')
    for title, (config, weights) in list(BASES.items())[:1 if args.quick else None]:
        if weights.is_file():
            yield from measured(title, config, weights, 8 if args.quick else 1)


def measured(title: str, name: str, weights: Path, thinner: int) -> Iterator[dict]:
    """Rows of one base model: ``ours`` is AP and ``peer`` FPR95, in percent."""
    config = Config.fromfile(CONFIGS / f'{name}_COMBINED.py')
    config.model.uncertainty_heads = {**FURTHER, **Config.fromfile(CONFIGS / f'{name}_DETECTORS.py').model.uncertainty_heads,
                                      **config.model.uncertainty_heads}
    model = MODELS.build(config.model).eval()
    model.load_state_dict(state_dict_of(read_checkpoint(str(weights))), strict=False)
    fit(model, config.train_dataloader.dataset, FITTED_EVERY * thinner)
    for dataset, every in DATASETS_AT_HAND.items():
        if dataset == 'camvid' and 'camvid' not in name:
            continue
        own = config.copy()
        use_dataset(own, Config.fromfile(CONFIGS / f'_base_/datasets/{dataset}.py'))
        found, images = rank(model, own.test_dataloader.dataset, every * thinner, dataset == 'camvid')
        for head, (precision, false_alarms) in found.items():
            protocol = f'peer is FPR95; {images} images'
            yield row(f'{title}, {dataset}: {head}', precision, false_alarms, '% AP', protocol) | dict(ratio=None)


def batches(model: PosthocSegmentor, dataset: dict, every: int) -> Iterator[tuple[Tensor, list[SegDataSample]]]:
    """Every so manieth image of a dataset, as the model takes it."""
    built = DATASETS.build(dataset)
    for index in range(0, len(built), every):
        data = model.data_preprocessor(pseudo_collate([built[index]]), False)
        yield data['inputs'], data['data_samples']


@torch.no_grad()
def fit(model: PosthocSegmentor, dataset: dict, every: int) -> None:
    """Fit the heads on every so manieth image."""
    def outputs() -> Iterable:
        for inputs, samples in batches(model, dataset, every):
            labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]).long()
            yield model.frozen_outputs(inputs, samples), labels, [sample.metainfo for sample in samples]
    fit_in_order(model, outputs)


@torch.no_grad()
def rank(model: PosthocSegmentor, dataset: dict, every: int, mistakes: bool) -> tuple[dict[str, tuple[float, float]], int]:
    """AP and FPR95 of every head in percent, of all pixels together, at a quarter of the size of the labels."""
    scores: dict[str, list[np.ndarray]] = {name: [] for name in model.uncertainty_heads}
    truths, images = [], 0
    for inputs, samples in batches(model, dataset, every):
        labels = samples[0].gt_sem_seg.data[0].cpu()[STEP // 2::STEP, STEP // 2::STEP]
        samples[0].set_metainfo(dict(ori_shape=tuple(labels.shape)))
        result = model.predict(inputs, samples)[0]
        known = labels != 255
        truths.append(((result.pred_sem_seg.data[0].cpu() != labels) if mistakes else labels == 1)[known].numpy())
        for name, parts in scores.items():
            parts.append(result.uncertainty.get(name).cpu().reshape(labels.shape)[known].numpy())
        images += 1
    wrong = np.concatenate(truths)
    found = {}
    for name, parts in scores.items():
        values = np.concatenate(parts)
        counts = rank_exactly(values[wrong], values[~wrong])
        found[name] = tuple(100 * float(measure(counts.positives, counts.negatives)) for measure in (average_precision, fpr_at_tpr))
    return found, images


def beside_pytorch_ood(quick: bool) -> Iterator[dict]:
    """Time of scores here and there on the same features, with the largest difference between their values."""
    try:
        from pytorch_ood import detector as peers
    except ImportError:
        return
    generator = torch.Generator().manual_seed(0)
    size, classes, channels = (32, 64) if quick else (128, 256), 19, 64
    features, train = (torch.randn(count, channels, generator=generator).relu() for count in (size[0] * size[1], 4096))
    layer = nn.Linear(channels, classes)
    maps = features.T.reshape(1, channels, *size)
    logits = layer(features).detach().T.reshape(1, classes, *size).contiguous()
    fitted_kl, fitted_fdbd = peers.KLMatching(None), peers.fDBD(None, layer)
    fitted_kl.fit_logits(layer(train).detach())
    fitted_fdbd.fit_features(train)
    templates, weight = PosteriorSums.of(layer(train).detach()).templates().float(), layer.weight.detach()
    pixels = logits.flatten(2)[0].T
    pairs: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
        'MSP': (partial(msp, logits), lambda: 1 + peers.MaxSoftmax.score(logits)),
        'entropy': (partial(entropy, logits), lambda: peers.Entropy.score(logits)),
        'energy': (partial(energy, logits), lambda: peers.EnergyBased.score(logits)),
        'GEN': (lambda: generalized_entropy(logits) / classes, lambda: peers.GEN.score(logits)),
        'KL matching': (partial(kl_matching, logits, templates), lambda: fitted_kl.predict_logits(pixels)),
        'fDBD': (partial(boundary_distance, logits, maps, weight, train.mean(dim=0)),
                 lambda: fitted_fdbd.predict_features(features)),
        'SCALE': (lambda: energy(layer(scale_activations(maps, 0.85)[0].flatten(1).T)),
                  lambda: peers.SCALE(lambda x: x, lambda x: layer(x.flatten(1)), 0.85).predict(features[:, :, None, None]))}
    with torch.no_grad():
        for name, (ours, peer) in pairs.items():
            apart = float((ours().flatten() - peer().flatten()).abs().max())
            seconds = seconds_in_turns(dict(ours=ours, peer=peer), 3)
            yield row(f'{name}, beside pytorch-ood', seconds['ours'], seconds['peer'], 's',
                      f'{size[0]}x{size[1]} pixels, {classes} classes; values differ by at most {apart:.1e}')


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
