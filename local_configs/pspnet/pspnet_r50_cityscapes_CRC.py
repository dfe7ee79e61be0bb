_base_ = [
    '../_base_/models/pspnet_r50_cityscapes.py',
    '../_base_/datasets/cityscapes_frankfurt.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/crc.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', set_head=dict(num_classes=19, **_base_.set_head))
