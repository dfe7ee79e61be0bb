_base_ = [
    '../_base_/models/segformer_b2_cityscapes.py',
    '../_base_/datasets/cityscapes_1024x1024.py',
    '../_base_/schedules/fed_published.py',
    '../_base_/posthoc/fedc.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
