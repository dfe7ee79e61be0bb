_base_ = [
    '../_base_/models/segformer_b0_toy_roads.py',
    '../_base_/datasets/toy_roads_calibration.py',
    '../_base_/schedules/calibration.py',
    '../_base_/posthoc/kandinsky.py',
    '../_base_/default_runtime.py',
]
model = dict(type='PosthocSegmentor', set_head=dict(num_classes=8, **_base_.set_head))
