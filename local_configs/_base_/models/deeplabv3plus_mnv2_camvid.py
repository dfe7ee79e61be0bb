_base_ = './deeplabv3plus_mnv2.py'
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='{{$DATA_ROOT:data}}/weights/mobilenetv2_imagenet_mmseg.pth')),
    decode_head=dict(
        num_classes=11,
        # Square root of median frequency over frequency: poles, pedestrians and bicyclists are below 1 % of the pixels.
        loss_decode=dict(class_weight=[0.53, 0.44, 2.2, 0.41, 0.86, 0.68, 2., 1.8, 1., 2.8, 3.])))
test_scale = (10000, 360)
test_keep_ratio = True
