# A quarter of the lab's width (2.2 million parameters), so that a CPU trains it.
_base_ = './unet.py'
model = dict(
    data_preprocessor=dict(mean=[105.0, 107.1, 108.9], std=[78.] * 3),
    backbone=dict(base_channels=16),
    decode_head=dict(in_channels=16, channels=16, num_classes=11))
test_scale = (240, 180)
test_keep_ratio = False
