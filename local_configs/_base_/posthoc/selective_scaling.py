# One temperature, and another where the prediction looks like a mistake.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='SelectiveScaling')
