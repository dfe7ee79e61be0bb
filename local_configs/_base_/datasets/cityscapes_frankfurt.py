# Cityscapes' validation images, divided by city: munster and lindau calibrate, frankfurt tests.
_base_ = './camvid.py'
data_root = '{{$DATA_ROOT:data}}/cityscapes'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='CityscapesScenesDataset', data_root=data_root, scenes=['munster', 'lindau'], pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='CityscapesScenesDataset', data_root=data_root, scenes=['frankfurt'], pipeline=test_pipeline))
val_dataloader = test_dataloader
