# Sets that miss at most 5 % of the labelled pixels of a further image on average.
# Use as `model = dict(type='PosthocSegmentor', set_head=dict(num_classes=11, **_base_.set_head))`.
set_head = dict(type='ConformalRiskControlHead', risks=[dict(loss='miscoverage', alpha=0.05)], control='crc')
