# Stanford 2D-3D-S, trained on areas 1-4 and 6, validated on 5a, tested on 5b. Labels are converted once with
# tools/dataset_converters/stanford_2d3ds.py. A third of the full size everywhere, in training and in test.
data_root = '{{$DATA_ROOT:data}}/s3dis_2d'
train_pipeline = [
    dict(type='SeedAugmentations'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='RandomCrop', crop_size=(768, 768)),
    dict(type='Resize', scale=(256, 256), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='MaskObjectDropout', max_objects=3, prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(360, 360), keep_ratio=True),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='NumberedInfiniteSampler', shuffle=True),
    dataset=dict(type='S3DIS2DDataset', data_root=data_root, areas='lab_train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='S3DIS2DDataset', data_root=data_root, areas='lab_val', pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='S3DIS2DDataset', data_root=data_root, areas='lab_test', pipeline=test_pipeline))
val_evaluator = dict(type='MacroF1Metric')
test_evaluator = [dict(type='ClassIoUMetric', quantity='mIoU'), dict(type='MacroF1Metric')]
custom_hooks = [dict(type='DisjointAreasHook')]
