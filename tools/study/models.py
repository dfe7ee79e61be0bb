"""Base models of the study with every score, fitted by statistics, and the flows that are compared."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from tqdm.auto import tqdm

from mmseg_uncertainty.datasets.samplers import Draw
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import fit_in_order
from mmseg_uncertainty.runtime.output_files import whole_file

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'local_configs'
SEEDS = 3
FURTHER = dict(max_logit=dict(type='MaxLogitHead'), margin=dict(type='MarginHead'), sml=dict(type='StandardizedMaxLogitHead'),
               mc_dropout=dict(type='MCDropoutHead', samples=32), mahalanobis=dict(type='MahalanobisHead'),
               vim=dict(type='ViMHead'), vim_published=dict(type='ViMHead', match='mean'))
SMALL = dict(kernel_size=1, blocks=2, hidden_channels=16)
EVIDENCE = ['knn', 'mahalanobis_pp', 'deep_knn', 'deep_mahalanobis', 'react', 'fdbd', 'residual']
FLOWS = dict(
    mistakes=dict(
        fedu=dict(scale_factor=2),
        fedu_full=dict(flow=SMALL, resolution='output'),
        fedc=dict(conditional=True, scale_factor=2),
        fed_evidence=dict(scale_factor=2, evidence=['knn', 'mahalanobis_pp'])),
    outliers=dict(
        fedc_outliers=dict(conditional=True, standardize_features=True, class_condition=False, scale_factor=2),
        fed_outliers_evidence=dict(class_condition=False, evidence=EVIDENCE),
        fed_outliers_evidence_fast=dict(class_condition=False, evidence=EVIDENCE),
        fedc_outliers_evidence=dict(conditional=True, standardize_features=True, class_condition=False, evidence=EVIDENCE)))
"""Options of the flows that learn from mistakes and from pasted outliers, by name."""
RATES = dict(mistakes=4e-3, outliers=8e-4, fed_outliers_evidence_fast=2e-3)
"""Largest step size of a flow, or of all that learn from one thing."""


@dataclass(frozen=True)
class StudyBase:
    """A base model of the study.

    Args:
        title: What pages call it.
        config: Path of its configs below ``local_configs``, without suffix.
        weights: Its checkpoint.
    """

    title: str
    config: str
    weights: Path

    @property
    def knows_camvid(self) -> bool:
        """Whether its classes are those of CamVid, so that its mistakes there can be measured."""
        return 'camvid' in self.config

    def config_of(self, suffix: str) -> Config:
        """Config of this base with other heads."""
        return Config.fromfile(CONFIGS / f'{self.config}_{suffix}.py')


BASES = dict(
    deeplab=StudyBase('DeepLabV3+ MobileNetV2, trained on CamVid', 'deeplabv3plus/deeplabv3plus_mnv2_camvid',
                      ROOT / 'checkpoints/deeplabv3plus_mnv2_camvid.pth'),
    segformer=StudyBase('SegFormer-B0, trained on CamVid', 'segformer/segformer_b0_camvid',
                        ROOT / 'checkpoints/segformer_b0_camvid.pth'),
    cgnet=StudyBase('CGNet, trained on CamVid', 'cgnet/cgnet_camvid', ROOT / 'data/weights/cgnet_camvid11_mmseg.pth'),
    erfnet=StudyBase('ERFNet, trained on Cityscapes', 'erfnet/erfnet_cityscapes',
                     ROOT / 'data/weights/erfnet_cityscapes_mmseg.pth'))


def flow_configs(channels: int) -> dict[str, dict]:
    """Configs of all flows and seeds, ``NAME_SEED``, for a base whose features have so many channels."""
    configs = {}
    for learned in FLOWS.values():
        for name, options in learned.items():
            config = dict(type='FlowEneDetHead') | options | dict(flow=options.get('flow', dict(kernel_size=1)))
            if config.get('conditional'):
                config['condition_channels'] = min(32, channels)
            configs |= {f'{name}_{seed}': config for seed in range(SEEDS)}
    return configs


def study_model(base: StudyBase, flows: bool) -> PosthocSegmentor:
    """The base model with all scores, unfitted, with the flows or without."""
    init_default_scope('mmseg')
    config = base.config_of('COMBINED')
    heads = {**FURTHER, **base.config_of('DETECTORS').model.uncertainty_heads, **config.model.uncertainty_heads}
    config.model.uncertainty_heads = heads
    if flows:
        channels = MODELS.build(config.model).base.feature_channels
        config.model.uncertainty_heads = {**heads, **flow_configs(channels)}
    model = MODELS.build(config.model).eval()
    model.load_state_dict(state_dict_of(read_checkpoint(str(base.weights))), strict=False)
    return model


def images_of(model: PosthocSegmentor, dataset: Config, indices: Iterable[int] | None = None,
              title: str = '') -> Iterator[tuple[Tensor, list[SegDataSample]]]:
    """Images of a dataset as the model takes them, one by one; augmentations are seeded by the number of the image."""
    built = DATASETS.build(dataset)
    for index in tqdm(range(len(built)) if indices is None else indices, desc=title):
        data = model.data_preprocessor(pseudo_collate([built[Draw(index, index)]]), False)
        yield data['inputs'], data['data_samples']


@torch.no_grad()
def fitted_by_statistics(base: StudyBase, path: Path, every: int) -> PosthocSegmentor:
    """The model without flows, its heads fitted on every so manieth image of CamVid train, or read from a file."""
    model = study_model(base, flows=False)
    if path.is_file():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model
    dataset = base.config_of('COMBINED').train_dataloader.dataset
    count = len(DATASETS.build(dataset))

    def outputs() -> Iterator[tuple]:
        for inputs, samples in images_of(model, dataset, range(0, count, every), f'{base.title}: statistics'):
            labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples]).long()
            yield model.frozen_outputs(inputs, samples), labels, [sample.metainfo for sample in samples]

    fit_in_order(model, outputs)
    with whole_file(path) as partial:
        torch.save(model.state_dict(), partial)
    return model
