_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/camvid_as_cityscapes_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/vector_scaling.py',
    '../_base_/posthoc/scores.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator, uncertainty_heads=_base_.heads)
