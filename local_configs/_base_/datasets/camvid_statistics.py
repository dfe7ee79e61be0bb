# What statistics of frozen models are taken of: each training image once, as it is.
_base_ = ['./camvid.py', './one_pass.py']
train_dataloader = dict(
    _delete_=True,
    **_base_.one_pass,
    dataset=dict(
        type='CamVidDataset',
        data_root=_base_.data_root,
        data_prefix=dict(img_path='train', seg_map_path='trainannot'),
        pipeline=_base_.test_pipeline))
