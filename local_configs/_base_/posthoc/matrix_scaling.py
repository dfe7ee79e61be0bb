# A matrix for the logits of all classes; predictions stay those of the base model.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='MatrixScaling')
