_base_ = [
    '../_base_/models/erfnet_cityscapes.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py',
]
