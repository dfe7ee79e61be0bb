# At the input height of models trained on Cityscapes.
_base_ = './camvid_statistics.py'
dataset_type = 'CamVidAsCityscapesDataset'
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='Resize', scale=(10000, 512), keep_ratio=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type))
test_dataloader = dict(dataset=dict(type=dataset_type))
