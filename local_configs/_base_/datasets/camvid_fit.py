# What flows are fitted on: training images as the model will meet them, in two views with objects of no class pasted in.
# Scaled and blurred images hold other mistakes than those of a test (docs/design.md).
_base_ = './camvid.py'
train_pipeline = [
    dict(type='SeedAugmentations', views=2),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='Resize', scale=(480, 360), keep_ratio=False),
    dict(type='PasteOutliers', source='{{$DATA_ROOT:data}}/idd_lite/images/train'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
