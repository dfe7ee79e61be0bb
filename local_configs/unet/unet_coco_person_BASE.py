_base_ = [
    '../_base_/models/unet_coco_person.py',
    '../_base_/datasets/coco_person.py',
    '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py',
]
