_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid_fit.py',
    '../_base_/datasets/camvid_held_out.py',
    '../_base_/schedules/fed.py',
    '../_base_/posthoc/fedu_full.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
