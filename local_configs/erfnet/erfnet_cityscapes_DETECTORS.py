_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/camvid_as_cityscapes_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/detectors.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
