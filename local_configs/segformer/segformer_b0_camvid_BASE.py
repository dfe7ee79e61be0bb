_base_ = [
    '../_base_/models/segformer_b0.py', '../_base_/datasets/camvid.py', '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=11))
