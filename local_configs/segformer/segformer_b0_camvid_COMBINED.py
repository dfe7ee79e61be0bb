_base_ = [
    '../_base_/models/segformer_b0_camvid.py',
    '../_base_/datasets/camvid_statistics.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/combined_deep.py',
    '../_base_/default_runtime.py',
]
# The keys of the last attention.
layer = dict(features_from='backbone.layers.3.1.1.attn.attn:keys')
_base_.heads.deep_knn.update(layer)
_base_.heads.deep_mahalanobis.update(layer)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
