# The photos that neither training nor test has seen calibrate.
_base_ = './coco_person.py'
train_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=1,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='COCOCategoryDataset', data_root=_base_.data_root, part='calibration', pipeline=_base_.test_pipeline))
