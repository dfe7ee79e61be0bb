# Sets that miss at most a tenth of the pixels of each class in each of four groups of positions.
# Use as `model = dict(type='PosthocSegmentor', set_head=dict(num_classes=11, **_base_.set_head))`.
set_head = dict(type='KandinskyHead', alpha=0.1, grouping='kmeans', num_groups=4)
