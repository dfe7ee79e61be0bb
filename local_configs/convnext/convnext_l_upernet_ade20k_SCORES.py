_base_ = ['mmseg::convnext/convnext-large_upernet_8xb2-amp-160k_ade20k-640x640.py', '../_base_/posthoc/scores.py']
custom_imports = dict(
    _delete_=True, imports=['mmseg_uncertainty.registered', 'mmpretrain.models'], allow_failed_imports=False)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
test_dataloader = dict(
    num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root='{{$DATA_ROOT:data}}/ADEChallengeData2016'))
