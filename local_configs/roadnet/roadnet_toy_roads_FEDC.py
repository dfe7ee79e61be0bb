_base_ = [
    '../_base_/models/roadnet_toy_roads.py',
    '../_base_/datasets/toy_roads_fit.py',
    '../_base_/schedules/fed.py',
    '../_base_/posthoc/fedc_16_features.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
