# At the input scale of models trained on Cityscapes; labels keep the size of the images.
_base_ = './camvid_calibration.py'
dataset_type = 'CamVidAsCityscapesDataset'
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(1024, 512), keep_ratio=False),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=pipeline))
test_dataloader = dict(dataset=dict(type=dataset_type, pipeline=pipeline))
