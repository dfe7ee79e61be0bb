_base_ = [
    '../_base_/models/upernet_bit_r50x1.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/fed_published.py',
    '../_base_/posthoc/scores.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
