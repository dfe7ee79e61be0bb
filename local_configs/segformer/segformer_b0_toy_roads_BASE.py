_base_ = [
    '../_base_/models/segformer_b0_toy_roads.py',
    '../_base_/datasets/toy_roads.py',
    '../_base_/schedules/base_2k.py',
    '../_base_/default_runtime.py',
]
