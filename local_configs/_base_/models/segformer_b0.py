_base_ = ['mmseg::_base_/models/segformer_mit-b0.py']
model = dict(
    data_preprocessor=dict(size_divisor=32, test_cfg=dict(size_divisor=32)),
    decode_head=dict(norm_cfg=dict(type='BN', requires_grad=True)))
