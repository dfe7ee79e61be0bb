# A mixture of the softmax with and without temperature and of even odds.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='EnsembleTemperatureScaling')
