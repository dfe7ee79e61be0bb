_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/camvid_as_cityscapes_fit.py',
    '../_base_/schedules/fed.py',
    '../_base_/posthoc/fedc_16_features.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
