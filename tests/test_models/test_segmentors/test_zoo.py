"""Zoo models become posthoc by changing their type and naming heads."""
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

ZOO = [
    'deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py',
    'segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
    'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py',
    'cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py',
    'pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py',
    'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py',
    'ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024.py',
]


def zoo_config(folder, name):
    path = folder / 'config.py'
    path.write_text(f"_base_ = ['mmseg::{name}']\n")
    config = Config.fromfile(path).model
    config.backbone.pop('init_cfg', None)
    config.pop('pretrained', None)
    return config


@pytest.mark.parametrize('name', ZOO, ids=lambda name: name.split('/')[0])
def test_zoo_model_is_scored_and_unchanged(name, tmp_path):
    torch.manual_seed(0)
    plain = revert_sync_batchnorm(MODELS.build(zoo_config(tmp_path, name))).eval()
    config = zoo_config(tmp_path, name)
    config.update(
        type='PosthocSegmentor',
        uncertainty_heads=dict(
            msp=dict(type='MSPHead'), fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=4)))
    posthoc = revert_sync_batchnorm(MODELS.build(config)).eval()
    missing, unexpected = posthoc.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(key.startswith('uncertainty_heads.fedc') for key in missing)
    sample = SegDataSample(metainfo=dict(ori_shape=(60, 120), img_shape=(64, 128), pad_shape=(64, 128)))
    images = torch.randn(1, 3, 64, 128)
    with torch.no_grad():
        expected, scored = plain.predict(images, [sample.clone()])[0], posthoc.predict(images, [sample.clone()])[0]
    assert torch.equal(expected.seg_logits.data, scored.seg_logits.data)
    assert scored.uncertainty.msp.shape == scored.uncertainty.fedc.shape == (1, 60, 120)
