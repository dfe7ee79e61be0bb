_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/camvid_as_cityscapes_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined_deep.py',
    '../_base_/default_runtime.py',
]
# The end of the encoder: the features in front of the classifier have 16 channels.
layer = dict(features_from='backbone.encoder.15:output', feature_channels=128)
_base_.heads.deep_knn.update(layer)
_base_.heads.deep_mahalanobis.update(layer)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
