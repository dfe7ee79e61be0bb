# Fit by statistics: each calibration image once per stage, nothing is trained. mmengine asks for an optimizer all the same.
train_cfg = dict(type='CalibrationLoop')
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
model_wrapper_cfg = dict(type='FrozenModelWrapper')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    sampler_seed=dict(type='DistSamplerSeedHook'))
