# LoveDA's validation tiles: a random quarter calibrates, as published, the others are measured.
_base_ = ['./camvid.py', './one_pass.py']
data_root = '{{$DATA_ROOT:data}}/loveDA'
split = dict(by='image', share=0.25, seed=0)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 1024), keep_ratio=True),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    _delete_=True,
    **_base_.one_pass,
    dataset=dict(
        type='CheckedLoveDADataset', data_root=data_root, split=dict(part='calibration', **split),
        pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='CheckedLoveDADataset', data_root=data_root, split=dict(part='test', **split),
        pipeline=test_pipeline))
val_dataloader = test_dataloader
