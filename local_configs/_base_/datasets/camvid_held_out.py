# Images on which flows choose their iteration: the validation sequence of CamVid, with objects whose texture no flow learns from.
# No test set is read.
custom_hooks = [
    dict(
        type='HeldOutHook',
        interval=50,
        dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='NumberedInfiniteSampler', shuffle=False),
            dataset=dict(
                type='CamVidDataset',
                data_root='{{$DATA_ROOT:data}}/camvid',
                data_prefix=dict(img_path='val', seg_map_path='valannot'),
                pipeline=[
                    dict(type='SeedAugmentations', views=1),
                    dict(type='LoadImageFromFile'),
                    dict(type='LoadLabels'),
                    dict(type='Resize', scale=(480, 360), keep_ratio=False),
                    dict(type='PasteOutliers', source='{{$DATA_ROOT:data}}/idd_lite/images/val'),
                    dict(type='PackSegInputs'),
                ])))
]
