# Name the other members with --cfg-options model.members="['second.pth', 'third.pth']".
_base_ = [
    '../_base_/models/unet_camvid.py',
    '../_base_/datasets/camvid_240x180_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/temperature.py',
    '../_base_/posthoc/ensemble.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='EnsembleSegmentor',
    members=['work_dirs/unet/weighted/best.pth'],
    calibrator=_base_.calibrator,
    uncertainty_heads=_base_.heads)
