# Fit roadnet_toy_roads_FEDC.py first, then this with `--load-from` the checkpoint of that.
_base_ = [
    '../_base_/models/roadnet_toy_roads.py',
    '../_base_/datasets/toy_roads_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/fedc_16_features.py',
    '../_base_/posthoc/temperature.py',
    '../_base_/posthoc/crc.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='PosthocSegmentor',
    uncertainty_heads=_base_.heads,
    calibrator=_base_.calibrator,
    set_head=dict(num_classes=8, **_base_.set_head))
train_cfg = dict(calibrator_share=0.25)
