# Everything at once, for looking at: scores, flows, temperature, prediction sets and flags. Fit segformer_b0_toy_roads_FED.py first,
# then this with `--load-from` the checkpoint of that.
_base_ = [
    '../_base_/models/segformer_b0_toy_roads.py',
    '../_base_/datasets/toy_roads_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/fed_fine.py',
    '../_base_/posthoc/crc.py',
    '../_base_/posthoc/temperature.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='PosthocSegmentor',
    uncertainty_heads=_base_.heads,
    calibrator=_base_.calibrator,
    # A histogram's precision: the curves stay small enough to ship, and rounding can only make the sets larger.
    set_head=dict(num_classes=8, mantissa_bits=6, **_base_.set_head),
    decisions=dict(flagged=dict(type='FlagThreshold', head='fedc', promise='false_alarms', alpha=0.05, bits=12)))
train_cfg = dict(calibrator_share=0.25)
