"""Counting classes, and training with the weights that come of it."""
import json

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from mmseg_uncertainty.functional.class_weights import inverse_frequency
from tests.test_datasets.small_indoor_scenes import write_indoor_scenes

CONFIG = """
train_dataloader = dict(dataset=dict(
    type='S3DIS2DDataset', data_root={root!r}, areas=['1'], labels='semantic', ignore_unknown={ignore},
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadInstanceColors'), dict(type='RandomFlip', prob=1.),
              dict(type='MaskObjectDropout', prob=1.), dict(type='PackSegInputs')]))
"""


@pytest.mark.parametrize('ignore', [True, False])
def test_counts_are_those_of_the_files_and_weights_go_into_a_loss(run_tool, tmp_path, ignore, capsys):
    expected = write_indoor_scenes(tmp_path / 'scenes', areas=('1', ))
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=str(tmp_path / 'scenes'), ignore=ignore))
    run_tool('dataset_stats', config, '--out', 'stats.json', '--weights', 'inverse', '--weights-out', 'weights.json')
    stats = json.loads((tmp_path / 'stats.json').read_text())
    pixels = np.bincount(np.concatenate([labels.ravel() for labels in expected.values()]), minlength=14)
    if ignore:
        pixels[0] = 0
    assert stats['counts']['pixels'] == pixels.tolist() and stats['images'] == 4
    assert sum(stats['frequencies']) == pytest.approx(1)
    np.testing.assert_allclose(json.loads((tmp_path / 'weights.json').read_text()), inverse_frequency(pixels), atol=1e-6)
    assert 'window' in capsys.readouterr().out
    loss = MODELS.build(dict(type='SoftmaxFocalLoss', class_weight=str(tmp_path / 'weights.json')))
    assert loss(torch.randn(1, 14, 4, 4), torch.ones(1, 4, 4, dtype=torch.long)).isfinite()


def test_a_config_without_labels_is_named(run_tool, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("train_dataloader = dict(dataset=dict(type='CamVidDataset', pipeline=[dict(type='LoadImageFromFile')]))")
    with pytest.raises(ValueError, match='LoadLabels'):
        run_tool('dataset_stats', config)
    with pytest.raises(ValueError, match='no val_dataloader'):
        run_tool('dataset_stats', config, '--part', 'val')
