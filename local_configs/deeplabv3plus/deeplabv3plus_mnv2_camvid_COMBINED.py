_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined_deep.py',
    '../_base_/default_runtime.py',
]
# The end of the stage of stride 16.
layer = dict(features_from='backbone.layer5.2:output', feature_channels=96)
_base_.heads.deep_knn.update(layer)
_base_.heads.deep_mahalanobis.update(layer)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
