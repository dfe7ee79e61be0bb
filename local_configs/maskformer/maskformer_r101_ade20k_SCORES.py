_base_ = ['mmseg::maskformer/maskformer_r101-d32_8xb2-160k_ade20k-512x512.py', '../_base_/posthoc/scores.py']
custom_imports = dict(imports=['mmseg_uncertainty.registered'], allow_failed_imports=False)
model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)
test_dataloader = dict(
    num_workers=1, sampler=dict(round_up=False), dataset=dict(data_root='{{$DATA_ROOT:data}}/ADEChallengeData2016'))
