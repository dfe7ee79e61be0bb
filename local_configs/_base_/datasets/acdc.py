# ACDC as de Jorge et al. (CVPR 2023) divide it: its validation images calibrate, its training images test.
_base_ = './cityscapes_frankfurt.py'
dataset_type = 'ACDCDataset'
data_root = '{{$DATA_ROOT:data}}/acdc'
meta_keys = ('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip', 'flip_direction',
             'reduce_zero_label', 'scene', 'condition')
test_pipeline = [*_base_.test_pipeline[:-1], dict(type='PackSegInputs', meta_keys=meta_keys)]
conditions = ['fog', 'night', 'rain', 'snow']
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type=dataset_type, data_root=data_root, split='val', conditions=conditions, pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type=dataset_type, data_root=data_root, split='train', conditions=conditions, pipeline=test_pipeline))
val_dataloader = test_dataloader
