_base_ = [
    '../_base_/models/deeplabv3plus_r101_cityscapes.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/fed_published.py',
    '../_base_/posthoc/fedc.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
