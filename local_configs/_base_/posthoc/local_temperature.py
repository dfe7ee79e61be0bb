# One temperature for each pixel, from a small network over logits and image.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='LocalTemperatureScaling')
