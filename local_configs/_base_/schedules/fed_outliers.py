# Large batches (camvid_and_idd_fit.py) need fewer of them, and small steps: fitted out, the flow knows the pasted objects, and
# finds real ones less well (docs/design.md).
_base_ = './fed.py'
optim_wrapper = dict(optimizer=dict(lr=8e-4))
train_cfg = dict(max_iters=200, val_begin=201)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=25),
    dict(type='CosineAnnealingLR', eta_min=0., by_epoch=False, begin=25, end=200),
]
