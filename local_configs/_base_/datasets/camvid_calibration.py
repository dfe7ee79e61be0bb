# CamVid's test sequences, in blocks of neighbouring frames: one half of the blocks calibrates, the other is measured.
_base_ = ['./camvid.py', './one_pass.py']
train_dataloader = dict(
    _delete_=True,
    **_base_.one_pass,
    dataset=dict(
        type='CamVidDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='test', seg_map_path='testannot'),
        split=dict(part='calibration', by='block', block_length=20, share=0.5),
        pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(split=dict(part='test', by='block', block_length=20, share=0.5)))
