# The lab's U-Net at full width with focal loss. TensorBoard needs `pip install "mmseg_uncertainty[tensorboard]"`.
_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/s3dis_2d.py',
    '../_base_/schedules/unet_lab.py',
    '../_base_/default_runtime.py',
]
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(vis_backends=vis_backends)
