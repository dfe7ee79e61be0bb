_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/dataset_AnomalyTrack'
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='SmiycDataset', data_root=data_root, test_mode=True,
        pipeline=_base_.test_pipeline, split='AnomalyTrack-validation'))
