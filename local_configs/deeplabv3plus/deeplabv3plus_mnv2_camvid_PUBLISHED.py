_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid_fit.py',
    '../_base_/schedules/fed.py',
    '../_base_/posthoc/fed_published.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
