# Sets that miss at most 5 % of the pixels of a further image of the target on average; calibration images count by likeness.
# Use as `model = dict(type='PosthocSegmentor', set_head=dict(num_classes=11, **_base_.set_head))`, with images of the target,
# which need no labels, as `train_cfg = dict(target_dataloader=…)`.
set_head = dict(
    type='WeightedRiskControlHead', risks=[dict(loss='miscoverage', alpha=0.05)], embedding=('confidence', 'brightness'))
