# One temperature for all pixels, that of the largest likelihood.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='TemperatureScaling', objective='nll')
