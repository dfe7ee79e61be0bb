_base_ = [
    '../_base_/models/cgnet_camvid.py',
    '../_base_/datasets/camvid_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/kandinsky.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', set_head=dict(num_classes=11, **_base_.set_head))
train_cfg = dict(block_length=10)  # CamVid has too few sequences to keep each of them whole
