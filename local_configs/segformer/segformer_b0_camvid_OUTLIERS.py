_base_ = [
    '../_base_/models/segformer_b0_camvid.py',
    '../_base_/datasets/camvid_and_idd_fit.py',
    '../_base_/schedules/fed_outliers.py',
    '../_base_/posthoc/fed_outliers.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
