# One temperature for each kind of image, told apart by pooled features.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='ClusteredTemperatureScaling', num_clusters=4, assignment='soft')
