_base_ = [
    '../_base_/models/unet_coco_person.py',
    '../_base_/datasets/coco_person_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/kandinsky.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', set_head=dict(num_classes=2, **_base_.set_head))
