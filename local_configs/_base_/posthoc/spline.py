# A smooth curve from confidence to the share of right predictions.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='SplineCalibration')
