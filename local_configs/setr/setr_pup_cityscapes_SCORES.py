_base_ = ['mmseg::setr/setr_vit-l_pup_8xb1-80k_cityscapes-768x768.py', '../_base_/posthoc/scores.py']
custom_imports = dict(imports=['mmseg_uncertainty.registered'], allow_failed_imports=False)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
test_dataloader = dict(
    num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root='{{$DATA_ROOT:data}}/cityscapes'))
