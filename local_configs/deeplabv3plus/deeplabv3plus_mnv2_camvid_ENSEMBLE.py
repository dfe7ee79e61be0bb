# Name the other members with --cfg-options model.members="['work_dirs/second/iter_1200.pth']".
_base_ = [
    '../_base_/models/deeplabv3plus_mnv2_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/fed.py',
    '../_base_/posthoc/ensemble.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='EnsembleSegmentor',
    members=['work_dirs/deeplabv3plus_mnv2_camvid_second/iter_1200.pth'],
    uncertainty_heads=_base_.heads)
