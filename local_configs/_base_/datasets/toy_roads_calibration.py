# Streets that neither training nor test has seen calibrate.
_base_ = './toy_roads.py'
train_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='ToyRoadsDataset', split='val', length=200, test_mode=True, pipeline=_base_.test_pipeline))
