# IDD as de Jorge et al. (CVPR 2023) divide it: all validation drives calibrate, 37 training drives test.
_base_ = './cityscapes_frankfurt.py'
dataset_type = 'IDDDataset'
data_root = '{{$DATA_ROOT:data}}/idd'
test_scenes = [
    265, 431, 175, 528, 39, 137, 538, 499, 7, 376, 37, 209, 306, 413, 380, 374, 472, 523, 446, 121, 171, 488, 278, 411, 312, 453,
    110, 285, 46, 158, 426, 544, 230, 41, 520, 322, 95]
train_dataloader = dict(
    dataset=dict(_delete_=True, type=dataset_type, data_root=data_root, split='val', pipeline=_base_.test_pipeline))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type=dataset_type, data_root=data_root, split='train', scenes=test_scenes,
        pipeline=_base_.test_pipeline))
val_dataloader = test_dataloader
