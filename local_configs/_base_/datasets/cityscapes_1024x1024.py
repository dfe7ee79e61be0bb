_base_ = 'mmseg::_base_/datasets/cityscapes_1024x1024.py'
data_root = '{{$DATA_ROOT:data}}/cityscapes'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root=data_root))
test_dataloader = dict(num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root=data_root))
