_base_ = [
    '../_base_/models/cgnet_camvid.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py',
]
