_base_ = ['mmseg::_base_/models/cgnet.py']
norm_cfg = dict(type='BN', eps=1e-3, requires_grad=True)
model = dict(
    data_preprocessor=dict(mean=[105.65775, 103.329834, 99.625404], std=[1., 1., 1.], size_divisor=8),
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(
        num_classes=11,
        norm_cfg=norm_cfg, loss_decode=dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.)))
test_scale = (10000, 360)
test_keep_ratio = True
