# Cityscapes' validation images, divided by city: munster and lindau calibrate, frankfurt tests.
_base_ = ['./camvid.py', './one_pass.py']
data_root = '{{$DATA_ROOT:data}}/cityscapes'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 1024), keep_ratio=True),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    _delete_=True,
    **_base_.one_pass,
    dataset=dict(type='CityscapesScenesDataset', data_root=data_root, scenes=['munster', 'lindau'], pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='CityscapesScenesDataset', data_root=data_root, scenes=['frankfurt'], pipeline=test_pipeline))
val_dataloader = test_dataloader
