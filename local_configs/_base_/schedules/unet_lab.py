# 100 rounds of the 53,000 training images in batches of 16. The best
# checkpoint is that of largest macro F1. TensorBoard shows losses, macro F1, labels beside predictions and the summary.
max_iters = 330000
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=3300)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-2, by_epoch=False, begin=0, end=1000),
    dict(type='PolyLR', eta_min=0., power=0.9, begin=1000, end=max_iters, by_epoch=False),
]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=3300, max_keep_ckpts=2, save_best='macroF1[pooled]', rule='greater',
        backend_args=dict(backend='atomic')),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    summary=dict(type='RunSummaryHook'),
    visualization=dict(type='SegVisualizationHook', draw=True, interval=200))
