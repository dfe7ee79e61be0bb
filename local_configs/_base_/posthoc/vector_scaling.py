# A scale and an offset for each class; predictions stay those of the base model.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='VectorScaling')
