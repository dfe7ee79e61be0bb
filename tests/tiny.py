"""Models and runs small enough for tests."""
import copy
from types import SimpleNamespace

from mmseg_uncertainty.models.bases import FrozenBase


class HeadAsBase(FrozenBase):
    """A frozen base of a decode head alone, for what heads ask when they are bound."""

    def __init__(self, head):
        super().__init__()
        self.network, self.dropout_ratio = head, getattr(head, 'dropout_ratio', 0)
        self.features_from = 'conv_seg' if hasattr(head, 'conv_seg') else None
        self.freeze()

    def scores(self, inputs, metas):
        return self.network.conv_seg(inputs)


def model_around(head):
    """What a head is bound to, around a decode head alone."""
    return SimpleNamespace(base=HeadAsBase(head))


def tiny_base(mode='whole', **decode_head):
    """Config of a SegFormer with 20,000 parameters."""
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[127.] * 3, std=[64.] * 3, bgr_to_rgb=True, seg_pad_val=255,
            size_divisor=32),
        backbone=dict(
            type='MixVisionTransformer', in_channels=3, embed_dims=8, num_stages=4, num_layers=[1] * 4,
            num_heads=[1, 1, 2, 2], patch_sizes=[7, 3, 3, 3], sr_ratios=[8, 4, 2, 1], drop_path_rate=0.3),
        decode_head=dict(
            type='SegformerHead', in_channels=[8, 8, 16, 16], in_index=[0, 1, 2, 3], channels=16, dropout_ratio=0.2,
            norm_cfg=dict(type='BN'), align_corners=False, **{'num_classes': 5, **decode_head}),
        train_cfg=dict(),
        test_cfg=dict(mode='whole') if mode == 'whole' else dict(mode='slide', crop_size=(32, 48), stride=(24, 32)))


def tiny_posthoc(heads, classes=5, **options):
    """Config of the same model, frozen, with heads."""
    return dict(tiny_base(num_classes=classes), type='PosthocSegmentor', uncertainty_heads=copy.deepcopy(heads), **options)


TINY_TOY_ROADS = dict(
    default_scope='mmseg',
    env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
    log_processor=dict(by_epoch=False),
    randomness=dict(seed=3),
    train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2)),
    param_scheduler=[dict(type='CosineAnnealingLR', eta_min=0., by_epoch=False, begin=0, end=6)],
    default_hooks=dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, backend_args=dict(backend='atomic'))),
    train_dataloader=dict(
        batch_size=2,
        sampler=dict(type='NumberedInfiniteSampler', shuffle=True),
        dataset=dict(
            type='ToyRoadsDataset', split='train', length=10, size=(64, 96),
            pipeline=[
                dict(type='SeedAugmentations'),
                dict(type='RenderToyRoads'),
                dict(type='RandomFlip', prob=0.5),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ])))
