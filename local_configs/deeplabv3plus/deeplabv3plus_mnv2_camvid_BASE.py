_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py',
]
max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=400)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=200),
    dict(type='PolyLR', eta_min=0., power=0.9, begin=200, end=max_iters, by_epoch=False),
]
