# Focal loss, as the lab trains.
_base_ = [
    '../_base_/models/unet_camvid.py',
    '../_base_/datasets/camvid_240x180.py',
    '../_base_/schedules/unet_500.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(loss_decode=dict(type='SoftmaxFocalLoss', gamma=2.)))
