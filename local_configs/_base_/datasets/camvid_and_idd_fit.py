# What a detector of unknown objects is fitted on: as camvid_fit.py, and 700 images of other roads at about the same scale. Of
# their labels it is only used which pixels have a class at all.
_base_ = './camvid_fit.py'
idd_pipeline = [
    dict(type='SeedAugmentations', views=1),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='MarkInliers'),
    dict(type='RandomResize', scale=(320, 227), ratio_range=(1.6, 3.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(360, 480)),
    dict(type='PasteOutliers', source='{{$DATA_ROOT:data}}/idd_lite/images/train'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['classes', 'palette', 'label_map', 'dataset_name'],
        datasets=[
            dict(
                type='CamVidDataset',
                data_root='{{$DATA_ROOT:data}}/camvid',
                data_prefix=dict(img_path='train', seg_map_path='trainannot'),
                pipeline=_base_.train_pipeline),
            dict(
                type='IDDLiteDataset',
                data_root='{{$DATA_ROOT:data}}/idd_lite',
                split='train',
                indices=700,
                pipeline=idd_pipeline),
        ]))
