# CamVid's test sequences, in blocks of neighbouring frames: one half of the blocks calibrates, the other is measured.
_base_ = './camvid.py'
train_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CamVidDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='test', seg_map_path='testannot'),
        split=dict(part='calibration', by='block', block_length=20, share=0.5),
        pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(split=dict(part='test', by='block', block_length=20, share=0.5)))
