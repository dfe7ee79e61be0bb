# At twice the classifier's resolution: the maps of small images are small, and mistakes are thin.
_base_ = './fedu.py'
heads = dict(fedu=dict(scale_factor=2))
