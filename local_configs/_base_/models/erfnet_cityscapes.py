_base_ = ['mmseg::_base_/models/erfnet_fcn.py']
model = dict(
    data_preprocessor=dict(mean=[0.] * 3, std=[255.] * 3, size_divisor=8),
    decode_head=dict(channels=16, num_convs=0, norm_cfg=dict(type='BN', requires_grad=True)),
    backbone=dict(norm_cfg=dict(type='BN', requires_grad=True)))
test_scale = (1024, 512)
test_keep_ratio = False
