_base_ = ['mmseg::_base_/models/segformer_mit-b0.py']
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(1024, 1024)),
    backbone=dict(embed_dims=64, num_layers=[3, 4, 6, 3]),
    decode_head=dict(in_channels=[64, 128, 320, 512], norm_cfg=norm_cfg),
    test_cfg=dict(mode='slide', crop_size=(1024, 1024), stride=(768, 768)))
test_scale = (2048, 1024)
test_keep_ratio = True
