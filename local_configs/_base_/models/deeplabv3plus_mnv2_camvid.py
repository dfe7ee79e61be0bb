_base_ = './deeplabv3plus_mnv2.py'
model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='{{$DATA_ROOT:data}}/weights/mobilenetv2_imagenet_mmseg.pth')),
    decode_head=dict(num_classes=11))
test_scale = (10000, 360)
test_keep_ratio = True
