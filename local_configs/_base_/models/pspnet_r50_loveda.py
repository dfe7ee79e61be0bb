_base_ = ['./pspnet_r50_cityscapes.py']
model = dict(
    data_preprocessor=dict(size=(512, 512)), decode_head=dict(num_classes=7), auxiliary_head=dict(num_classes=7))
test_scale = (1024, 1024)
