# What statistics of frozen models are taken of: each training image once, as it is.
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
        data_prefix=dict(img_path='train', seg_map_path='trainannot'),
        pipeline=_base_.test_pipeline))
