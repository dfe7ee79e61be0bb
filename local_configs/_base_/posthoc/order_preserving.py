# Weights of the gaps between ordered logits, for each predicted class; the order of the classes stays.
# Use as `model = dict(type='PosthocSegmentor', calibrator=_base_.calibrator)`.
calibrator = dict(type='OrderPreservingScaling', classwise=True)
