# CamVid's validation sequence calibrates; the test sequences, others than it, are measured.
_base_ = './camvid_240x180.py'
train_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CamVidDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='val', seg_map_path='valannot'),
        pipeline=_base_.test_pipeline))
