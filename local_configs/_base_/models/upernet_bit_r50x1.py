# Big Transfer: a ResNetV2 with group norm and weight standardization, from timm. Without pretrained weights.
_base_ = ['mmseg::_base_/models/upernet_r50.py']
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    pretrained=None,
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True, type='TIMMBackbone', model_name='resnetv2_50x1_bit', pretrained=False, out_indices=(1, 2, 3, 4)),
    decode_head=dict(in_channels=[256, 512, 1024, 2048], norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=1024, norm_cfg=norm_cfg),
    test_cfg=dict(mode='slide', crop_size=(769, 769), stride=(513, 513)))
test_scale = (2048, 1024)
test_keep_ratio = True
