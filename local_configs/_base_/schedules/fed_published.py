# The schedule of the released FlowEneDet: AdamW, 50,000 iterations, a tenth of the rate every 15,000.
# Validation of the class predictions is off (val_begin): the base model is frozen and they do not change.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=50000, val_begin=50001)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=4000),
    dict(type='MultiStepLR', milestones=[15000, 30000, 45000], gamma=0.1, by_epoch=False),
]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=2, backend_args=dict(backend='atomic')),
    sampler_seed=dict(type='DistSamplerSeedHook'))
