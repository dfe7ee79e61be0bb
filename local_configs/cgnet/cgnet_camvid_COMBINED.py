_base_ = [
    '../_base_/models/cgnet_camvid.py',
    '../_base_/datasets/camvid_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined_deep.py',
    '../_base_/default_runtime.py',
]
# The end of the second stage: its features are shared by more classes than those in front of the classifier.
layer = dict(features_from='backbone.norm_prelu_1:output', feature_channels=131)
_base_.heads.deep_knn.update(layer)
_base_.heads.deep_mahalanobis.update(layer)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
