# As camvid_fit.py, at the input height of models trained on Cityscapes.
_base_ = './camvid_as_cityscapes.py'
train_pipeline = [
    dict(type='SeedAugmentations', views=2),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='Resize', scale=(10000, 512), keep_ratio=True),
    dict(type='PasteOutliers', source='{{$DATA_ROOT:data}}/idd_lite/images/train'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
