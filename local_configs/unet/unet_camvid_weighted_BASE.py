# Cross-entropy weighted by one over the square root of the class frequencies (tools/dataset_stats.py).
_base_ = [
    '../_base_/models/unet_camvid.py',
    '../_base_/datasets/camvid_240x180.py',
    '../_base_/schedules/unet_500.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(loss_decode=dict(
    _delete_=True,
    type='CrossEntropyLoss',
    class_weight=[0.343, 0.292, 1.42, 0.25, 0.665, 0.452, 1.3, 1.327, 0.581, 1.761, 2.608])))
