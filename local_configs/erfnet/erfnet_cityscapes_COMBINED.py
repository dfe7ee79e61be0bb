_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/camvid_as_cityscapes_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined.py',
    '../_base_/default_runtime.py',
]
# The end of the encoder: the features in front of the classifier have 16 channels.
layer = dict(features_from='backbone.encoder.15:output', feature_channels=128)
model = dict(
    type='PosthocSegmentor',
    uncertainty_heads=dict(
        **_base_.heads,
        deep_knn=dict(type='NearestNeighborHead', neighbor=3, average=True, **layer),
        cdnp=dict(type='SumOfScoresHead', heads=['deep_knn', 'energy']),
        deep_mahalanobis=dict(type='MahalanobisHead', normalize=True, **layer),
        deep_sum=dict(type='SumOfScoresHead', heads=['deep_mahalanobis', 'energy'])))
