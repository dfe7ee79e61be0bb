# Lost and Found as downloaded, its test part.
_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/lost_and_found'
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='LostAndFoundDataset', data_root=data_root, test_mode=True,
        pipeline=_base_.test_pipeline, frames='labelled'))
