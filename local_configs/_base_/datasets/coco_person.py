# COCO photos of persons at 320x240, as tools/dataset_converters/coco.py writes them: here the model is trained.
_base_ = './camvid.py'
dataset_type = 'COCOCategoryDataset'
data_root = '{{$DATA_ROOT:data}}/coco_person'
train_pipeline = [
    dict(type='SeedAugmentations'),
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(_delete_=True, type=dataset_type, data_root=data_root, part='train', pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(_delete_=True, type=dataset_type, data_root=data_root, part='val', pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(_delete_=True, type=dataset_type, data_root=data_root, part='test', pipeline=test_pipeline))
