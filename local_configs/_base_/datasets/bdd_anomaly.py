_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/bdd100k'
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='BDDAnomalyDataset', data_root=data_root, test_mode=True,
        pipeline=_base_.test_pipeline))
