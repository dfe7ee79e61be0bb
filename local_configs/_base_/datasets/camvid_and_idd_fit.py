# What a detector of unknown objects is fitted on: training images as they are, the same at all scales, in other light and
# weather, and 700 images of other roads, all with objects of no class pasted in. Of the labels of the other roads only one
# thing is used: which pixels have a class at all.
_base_ = './camvid_fit.py'
paste = dict(type='PasteOutliers', source='{{$DATA_ROOT:data}}/idd_lite/images/train')
crop = dict(type='RandomCrop', crop_size=(360, 480))
light = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion', contrast_range=(0.7, 1.3), saturation_range=(0.8, 1.2), hue_delta=1),
    dict(type='PackSegInputs'),
]
weather = dict(
    type='RandomChoice',
    transforms=[
        [],
        [dict(type='Corruptions', corruption='gaussian_blur', severity=1)],
        [dict(type='Corruptions', corruption='gaussian_noise', severity=1)],
        [dict(type='Corruptions', corruption='fog', severity=1)],
    ])
start = [
    dict(type='SeedAugmentations', views=1),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
]
plain_pipeline = [
    *start,
    dict(type='Resize', scale=(480, 360), keep_ratio=False),
    paste,
    dict(type='PackSegInputs'),
]
augmented_pipeline = [
    *start,
    paste,
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.5, 2.0), keep_ratio=True),
    crop,
    weather,
    *light,
]
idd_pipeline = [
    *start,
    dict(type='MarkInliers'),
    dict(type='RandomResize', scale=(320, 227), ratio_range=(1.6, 3.0), keep_ratio=True),
    crop,
    paste,
    *light,
]
camvid = dict(
    type='CamVidDataset',
    data_root='{{$DATA_ROOT:data}}/camvid',
    data_prefix=dict(img_path='train', seg_map_path='trainannot'))
idd = dict(type='IDDLiteDataset', data_root='{{$DATA_ROOT:data}}/idd_lite', split='train', indices=700)
# Few pixels of many images: what the pixels of one image have in common is not to be learned.
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['classes', 'palette', 'label_map', 'dataset_name'],
        datasets=[
            dict(pipeline=plain_pipeline, **camvid),
            dict(pipeline=augmented_pipeline, **camvid),
            dict(pipeline=idd_pipeline, **idd),
        ]))
