_base_ = ['mmseg::mask2former/mask2former_swin-l-in22k-384x384-pre_8xb2-90k_cityscapes-512x1024.py', '../_base_/posthoc/scores.py']
custom_imports = dict(imports=['mmseg_uncertainty.registered'], allow_failed_imports=False)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
test_dataloader = dict(
    num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root='{{$DATA_ROOT:data}}/cityscapes'))
