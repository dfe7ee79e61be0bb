# Sets that miss at most 5 % of the pixels, of all images and of those that look hard alike (docs/adaptive_sets.md).
# Use as `model = dict(type='PosthocSegmentor', set_head=dict(num_classes=11, **_base_.set_head))`.
set_head = dict(
    type='AdaptiveRiskControlHead', risks=[dict(loss='miscoverage', alpha=0.05)], method='imputed', embedding=('confidence', ))
