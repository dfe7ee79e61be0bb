# The lab's U-Net: 34,527,886 parameters with 14 classes. Images are scaled to [0, 1]; inputs may have any size.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[0.] * 3, std=[255.] * 3, bgr_to_rgb=True, pad_val=0, seg_pad_val=255,
        size_divisor=16),
    backbone=dict(type='LabUNet', base_channels=64, blocks=4),
    decode_head=dict(
        type='FCNHead', in_channels=64, in_index=0, channels=64, num_convs=0, concat_input=False, dropout_ratio=0.,
        num_classes=14, align_corners=False, loss_decode=dict(type='SoftmaxFocalLoss', gamma=2.)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
