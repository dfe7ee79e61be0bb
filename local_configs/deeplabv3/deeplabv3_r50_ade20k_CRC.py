_base_ = [
    '../_base_/models/deeplabv3_r50_ade20k.py',
    '../_base_/datasets/ade20k_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/crc.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', set_head=dict(num_classes=150, **_base_.set_head))
