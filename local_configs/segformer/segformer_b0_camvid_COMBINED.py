_base_ = [
    '../_base_/models/segformer_b0_camvid.py',
    '../_base_/datasets/camvid_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined.py',
    '../_base_/default_runtime.py',
]
# The keys of the last attention.
layer = dict(features_from='backbone.layers.3.1.1.attn.attn:keys')
model = dict(
    type='PosthocSegmentor',
    uncertainty_heads=dict(
        **_base_.heads,
        deep_knn=dict(type='NearestNeighborHead', neighbor=3, average=True, **layer),
        cdnp=dict(type='SumOfScoresHead', heads=['deep_knn', 'energy']),
        deep_mahalanobis=dict(type='MahalanobisHead', normalize=True, **layer),
        deep_sum=dict(type='SumOfScoresHead', heads=['deep_mahalanobis', 'energy'])))
