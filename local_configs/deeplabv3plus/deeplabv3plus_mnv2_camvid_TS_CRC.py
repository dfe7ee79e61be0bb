# The temperature is fitted first, on a part of the images of its own, and sets are made of calibrated probabilities.
_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/temperature.py',
    '../_base_/posthoc/crc.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator, set_head=dict(num_classes=11, **_base_.set_head))
train_cfg = dict(calibrator_share=0.25, block_length=10)  # too few sequences to keep each of them whole
