# The photos that neither training nor test has seen calibrate.
_base_ = ['./coco_person.py', './one_pass.py']
train_dataloader = dict(
    _delete_=True,
    **_base_.one_pass,
    dataset=dict(
        type='COCOCategoryDataset', data_root=_base_.data_root, part='calibration', pipeline=_base_.test_pipeline))
