"""Build one model of every family of MMSegmentation's zoo on random weights, score it, and write docs/models.md."""
from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from mmseg_uncertainty.engine.loops import CalibrationLoop
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.models import PosthocSegmentor

PAGE = Path(__file__).resolve().parents[1] / 'docs/models.md'
SCORES = dict(msp=dict(type='MSPHead'))
FEATURE_SCORES = dict(mahalanobis=dict(type='MahalanobisHead'),
                      fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=1))


@dataclass(frozen=True)
class Family:
    """One folder of the zoo's configs.

    Args:
        name: Name of the model.
        config: Config below ``mmseg::``, without suffix, or below this project's ``local_configs``, with suffix.
        changes: Options of the model to change, so that it fits the small input or memory; the family stays the same.
        size: Height and width of the input.
        extra: Distribution that has to be installed besides, or ``None``.
        with_extra: Heads that score it once that is installed.
        fails: What goes wrong for good, as words of the error, or ``None``.
        note: What a user should know.
    """

    name: str
    config: str
    changes: dict = field(default_factory=dict)
    size: tuple[int, int] = (64, 64)
    extra: str | None = None
    with_extra: tuple[str, ...] = ('msp', 'fedc')
    fails: str | None = None
    note: str = ''


SMALL_VIT = {'backbone.embed_dims': 48, 'backbone.num_heads': 4, 'backbone.img_size': (64, 64)}
SMALL_SETR = SMALL_VIT | {'decode_head.in_channels': 48, 'auxiliary_head': None}
FIXED_SIZE = {'backbone.img_size': (64, 64)}
OPERATORS = 'needs mmcv with its compiled operators'
FAMILIES = [
    Family('ANN', 'ann/ann_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('APCNet', 'apcnet/apcnet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('BEiT, UPerNet', 'beit/beit-base_upernet_8xb2-160k_ade20k-640x640', FIXED_SIZE,
           note='inputs (or windows) of the size it was built for'),
    Family('BiSeNetV1', 'bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024'),
    Family('BiSeNetV2', 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024'),
    Family('BiT, UPerNet', 'upernet/upernet_bit_r50x1_cityscapes_SCORES.py', extra='timm'),
    Family('CCNet', 'ccnet/ccnet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('CGNet', 'cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680'),
    Family('ConvNeXt, UPerNet', 'convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512', extra='onedl-mmpretrain'),
    Family('DANet', 'danet/danet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('DDRNet', 'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024'),
    Family('DeepLabV3', 'deeplabv3/deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024'),
    Family('DeepLabV3+', 'deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024'),
    Family('DMNet', 'dmnet/dmnet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('DNLNet', 'dnlnet/dnl_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('DPT', 'dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512'),
    Family('EMANet', 'emanet/emanet_r50-d8_4xb2-80k_cityscapes-512x1024'),
    Family('EncNet', 'encnet/encnet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('ERFNet', 'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024'),
    Family('FastFCN', 'fastfcn/fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024'),
    Family('Fast-SCNN', 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024'),
    Family('FCN', 'fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024'),
    Family('GCNet', 'gcnet/gcnet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('HRNet, FCN', 'hrnet/fcn_hr18s_4xb4-80k_loveda-512x512'),
    Family('ICNet', 'icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832', size=(64, 128)),
    Family('ISANet', 'isanet/isanet_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('K-Net', 'knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512'),
    Family("lab's U-Net", '_base_/models/unet.py', {'backbone.base_channels': 8, 'decode_head.in_channels': 8,
                                                    'decode_head.channels': 8}, size=(37, 53)),
    Family('LR-ASPP, MobileNetV3', 'mobilenet_v3/mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024', size=(392, 392),
           note='inputs of 392×392 at least'),
    Family('MAE, UPerNet', 'mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512', FIXED_SIZE,
           note='inputs (or windows) of the size it was built for'),
    Family('Mask2Former', 'mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024', extra='onedl-mmdetection',
           with_extra=('msp', )),
    Family('MaskFormer', 'maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512', extra='onedl-mmdetection',
           with_extra=('msp', )),
    Family('MobileNetV2, DeepLabV3+', 'mobilenet_v2/mobilenet-v2-d8_deeplabv3plus_4xb2-80k_cityscapes-512x1024'),
    Family('NonLocal Net', 'nonlocal_net/nonlocal_r50-d8_4xb2-40k_cityscapes-512x1024'),
    Family('OCRNet', 'ocrnet/ocrnet_hr18s_4xb2-40k_cityscapes-512x1024'),
    Family('PIDNet', 'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes'),
    Family('PointRend', 'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024'),
    Family('PoolFormer, FPN', 'poolformer/fpn_poolformer_s12_8xb4-40k_ade20k-512x512', extra='onedl-mmpretrain'),
    Family('PSANet', 'psanet/psanet_r50-d8_4xb2-40k_cityscapes-512x1024', fails='psamask', note=OPERATORS),
    Family('PSPNet', 'pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512'),
    Family('ResNeSt, FCN', 'resnest/resnest_s101-d8_fcn_4xb2-80k_cityscapes-512x1024'),
    Family('SAN', 'san/san-vit-b16_voc12aug-640x640', fails='asymetric_input',
           note='its segmentor reads text besides the image and is not an `EncoderDecoder`'),
    Family('SegFormer', 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512'),
    Family('Segmenter', 'segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512', {'backbone.img_size': (64, 64)}),
    Family('SegNeXt', 'segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512'),
    Family('Semantic FPN', 'sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024'),
    Family('SETR Naive', 'setr/setr_vit-l_naive_8xb1-80k_cityscapes-768x768', SMALL_SETR),
    Family('SETR PUP', 'setr/setr_vit-l_pup_8xb1-80k_cityscapes-768x768', SMALL_SETR),
    Family('SETR MLA', 'setr/setr_vit-l_mla_8xb1-80k_cityscapes-768x768',
           SMALL_VIT | {'auxiliary_head': None, 'neck.in_channels': [48] * 4}),
    Family('STDC', 'stdc/stdc1_4xb12-80k_cityscapes-512x1024'),
    Family('Swin, UPerNet', 'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512'),
    Family('Twins, UPerNet', 'twins/twins_svt-s_uperhead_8xb2-160k_ade20k-512x512'),
    Family('UNet, FCN', 'unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024'),
    Family('UPerNet', 'upernet/upernet_r18_4xb4-80k_ade20k-512x512'),
    Family('ViT (DeiT), UPerNet', 'vit/vit_deit-s16_upernet_8xb2-80k_ade20k-512x512'),
    Family('VPD', 'vpd/vpd_sd_4xb8-25k_nyu-480x480', fails='VPD model', note='estimates depth, not classes'),
]
INTRODUCTION = """# Models

Any model whose segmentor is mmseg's `EncoderDecoder` or `CascadeEncoderDecoder` becomes posthoc by its config:
`model = dict(type='PosthocSegmentor', uncertainty_heads=…)`. The table is made by `python tools/zoo_table.py`, which builds
one model of each family on random weights, scores a small image with MSP and FED-C, and says what happened; a test does the
same. *Features* are the input of the head's classifier `conv_seg`: FED-C, Mahalanobis, ViM, nearest neighbours, MC-dropout
and local temperature read it. Models without such a layer have all scores of logits, calibrators and prediction sets.

## Mask classification

Mask2Former and MaskFormer predict pairs of a class distribution p_q and a mask m_q. What mmseg returns as `seg_logits` is
their sum S_k = Σ_q p_q(k) m_q(x), in [0, number of queries] and no logit: a softmax over it is nearly uniform. Heads,
calibrators and prediction sets therefore read log S_k, whose softmax is S_k / Σ_j S_j. MSP is then one minus the share of
the winning class, and the energy −log Σ_k S_k is high where no query claims the pixel. `seg_logits` and the predicted class
stay as they are; `calibrated_logits` holds log S.

Both need `pip install "mmseg_uncertainty[mask2former]"`. mmcv's compiled operators are not needed: deformable attention and
point sampling run on their versions in Python.

## Ensembles

`EnsembleSegmentor` makes one model of several checkpoints of one config. The checkpoint on the command line is the first
member, `members` names the others:

```bash
python tools/test.py local_configs/deeplabv3plus/deeplabv3plus_mnv2_camvid_ENSEMBLE.py FIRST.pth --eval IDM ECE \\
    --cfg-options model.members="['SECOND.pth', 'THIRD.pth']"
```

Members run one after the other on each batch and only sums are kept. The result is the mean of their probabilities
(`seg_logits` is its logarithm), read by every score, calibrator and prediction set; `EnsembleHead` adds their mutual
information. `keep='all'` (default) holds all weights in memory; `keep='one'` holds two models, the first and the one
that runs, and reads a file per member and batch.

## Losses and the lab's U-Net

`LabUNet` (convolution, ReLU, batch norm, in this order; 34,527,886 parameters with 14 classes; any input size) trains by
`local_configs/unet/unet_s3dis_2d_BASE.py`. `SoftmaxFocalLoss`, `TopKPixelLoss` and `MatthewsCorrelationLoss` go into the
`loss_decode` of any head, take `class_weight` as a list or as the file that
`python tools/dataset_stats.py CONFIG --weights square_root --weights-out weights.json` writes, and leave void pixels out.
`SoftmaxFocalLoss(gamma=0)` is (weighted) cross-entropy.

## Bases of the reliability study

`local_configs/{setr,segmenter,swin,convnext,upernet,mask2former,maskformer}` hold them with the scores of logits. The
zoo has Cityscapes weights for SETR and Mask2Former and ADE20K weights for the others, except for BiT, which has none.

## Families of the zoo
"""


def model_config(family: Family) -> Config:
    """Config of the family's model, frozen, without pretrained weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'config.py'
        own = family.config.endswith('.py')
        base = str(PAGE.parents[1] / 'local_configs' / family.config) if own else f'mmseg::{family.config}.py'
        path.write_text(f'_base_ = [{base!r}]\n', encoding='utf-8')
        config = Config.fromfile(path)
    config.merge_from_dict({f'model.{key}': value for key, value in family.changes.items()})
    config.model.pop('pretrained', None)
    config.model.get('backbone', {}).pop('init_cfg', None)
    config.model.update(type='PosthocSegmentor', test_cfg=dict(config.model.get('test_cfg') or {}, mode='whole'))
    return config.model


def scored_by(family: Family) -> tuple[str, ...]:
    """Heads that score the family, on whole images and in windows: MSP, and where the model has features a Mahalanobis distance
    that ``CalibrationLoop`` fits and FED-C after a step along its gradient.

    Raises:
        Exception: Whatever building, fitting or running the model raises.
    """
    torch.manual_seed(0)
    model = build(family, (*SCORES, *FEATURE_SCORES))
    height, width = family.size
    for test_cfg, size in ((dict(mode='whole'), family.size),
                           (dict(mode='slide', crop_size=family.size, stride=(height, width // 2)), (height, width * 3 // 2))):
        model.test_cfg = test_cfg
        if len(model.uncertainty_heads) > 1 and model.base(torch.randn(1, 3, *family.size), [{}]).features is None:
            model = build(family, tuple(SCORES))
            model.test_cfg = test_cfg
        images = [Sample(model.num_classes, size, seed) for seed in range(2)]
        fit(model, images)
        result, = model.test_step(images[0].batch())
        maps = dict(result.uncertainty.items())
        wrong = [name for name, score in maps.items() if score.shape[1:] != size or not score.isfinite().all()]
        if wrong:
            raise AssertionError(f'{family.name}, {test_cfg["mode"]}: {wrong} are no finite maps of the size of the input.')
    return tuple(name for name in maps if name != 'mahalanobis')


def build(family: Family, heads: tuple[str, ...]) -> PosthocSegmentor:
    """The family's model with heads of these names; those that read features are left out where no layer has them."""
    config = model_config(family)
    config.uncertainty_heads = {name: {**SCORES, **FEATURE_SCORES}[name] for name in heads}
    try:
        return revert_sync_batchnorm(MODELS.build(config)).eval()
    except TypeError as error:
        if 'features_from' not in str(error):
            raise
        return build(family, tuple(SCORES))


class Sample:
    """A random image with random labels.

    Args:
        num_classes: Number of classes.
        size: Height and width.
        seed: Seed of both.
    """

    def __init__(self, num_classes: int, size: tuple[int, int], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
        self.labels = torch.randint(0, num_classes, (1, size[0] // 8, size[1] // 8), generator=generator)
        self.meta = dict(ori_shape=size, img_shape=size, pad_shape=size, img_path=f'{seed}.png')

    def batch(self) -> dict:
        """A batch of this image alone, with labels of 8×8 pixels."""
        labels = self.labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
        labels = torch.nn.functional.pad(labels[None].float(), (0, self.image.shape[2] - labels.shape[2],
                                                                0, self.image.shape[1] - labels.shape[1]), value=VOID)[0].long()
        return dict(inputs=[self.image], data_samples=[SegDataSample(metainfo=self.meta, gt_sem_seg=PixelData(data=labels))])


class UnsavedFit(CalibrationLoop):
    """Leaves no checkpoint: writing the weights of a whole zoo takes longer than computing with them."""

    def _save(self) -> None:
        pass


def fit(model: PosthocSegmentor, images: Sequence[Sample]) -> None:
    """Fit what is fitted by statistics with ``CalibrationLoop``, and what learns by gradient in one step.

    Raises:
        AssertionError: The step moved nothing.
    """
    if 'mahalanobis' not in model.uncertainty_heads:
        return
    runner = SimpleNamespace(model=model, logger=MMLogger.get_current_instance(), hooks=[], call_hook=lambda *_, **__: None)
    loader = DataLoader([sample.batch() for sample in images], collate_fn=lambda batch: batch[0])
    UnsavedFit(runner, loader).run()
    flow = model.uncertainty_heads['fedc']
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-4)
    before = [parameter.detach().clone() for parameter in flow.parameters()]
    model.train()
    # Training would pad to the size of the family's own crops.
    sum(value for name, value in model.loss(**model.data_preprocessor(images[0].batch(), False)).items()
        if name.startswith('fedc.loss')).backward()
    optimizer.step()
    model.eval()
    if all(torch.equal(one, other) for one, other in zip(before, flow.parameters())):
        raise AssertionError('The gradient of FED-C is zero.')


def examine(family: Family) -> tuple[str, ...] | None:
    """Heads that score the family, ``()`` where it fails as it should, ``None`` where its extra is not installed.

    Raises:
        Exception: It fails otherwise, or no longer fails.
    """
    try:
        heads = scored_by(family)
    except Exception as error:
        if family.extra and not has_extra(family.extra):
            if family.extra.removeprefix('onedl-') not in str(error):
                raise
            return None
        if family.fails and family.fails in str(error):
            return ()
        raise
    if family.fails:
        raise AssertionError(f'{family.name} works now; remove `fails` and write the table anew.')
    return heads


def has_extra(distribution: str) -> bool:
    """Whether a distribution is installed."""
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def row(family: Family) -> str:
    """The family's line of the table, the same whether or not its extra is installed.

    Raises:
        Exception: See :func:`examine`.
    """
    heads = examine(family)
    heads = family.with_extra if heads is None else heads
    if heads != family.with_extra and family.extra:
        raise AssertionError(f'{family.name} is scored by {heads}, the table says {family.with_extra}.')
    marks = ['works' if name in heads else '–' for name in ('msp', 'fedc')]
    needs = f'needs `{family.extra}`' if family.extra else ''
    kind = 'does not' if not heads else 'needs extra' if family.extra else 'works'
    notes = '; '.join(part for part in (needs, family.note) if part)
    return f'| {family.name} | `{family.config}` | {kind} | {" | ".join(marks)} | {notes} |'


def table(rows: Sequence[str]) -> str:
    """The page with these lines."""
    header = '| family | config | | scores of logits | scores of features | |\n|---|---|---|---|---|---|\n'
    return INTRODUCTION + '\n' + header + '\n'.join(rows) + '\n'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=PAGE, metavar='FILE', help='page to write')
    parser.add_argument('--only', nargs='+', metavar='NAME', help='print the lines of families with one of these in the name')
    return parser.parse_args()


def main() -> None:
    """Run the tool."""
    args = parse_args()
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    init_default_scope('mmseg')
    families = [family for family in FAMILIES if not args.only or any(word in family.name for word in args.only)]
    rows = [row(family) for family in tqdm(families)]
    if args.only:
        print('\n'.join(rows))
    else:
        args.out.write_text(table(rows), encoding='utf-8')


if __name__ == '__main__':
    main()
