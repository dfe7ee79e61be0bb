_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined.py',
    '../_base_/default_runtime.py',
]
# The end of the stage of stride 16.
layer = dict(features_from='backbone.layer5.2:output', feature_channels=96)
model = dict(
    type='PosthocSegmentor',
    uncertainty_heads=dict(
        **_base_.heads,
        deep_knn=dict(type='NearestNeighborHead', neighbor=3, average=True, **layer),
        cdnp=dict(type='SumOfScoresHead', heads=['deep_knn', 'energy']),
        deep_mahalanobis=dict(type='MahalanobisHead', normalize=True, **layer),
        deep_sum=dict(type='SumOfScoresHead', heads=['deep_mahalanobis', 'energy'])))
