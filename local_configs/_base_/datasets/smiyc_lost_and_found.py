# Lost and Found as SegmentMeIfYouCan tests on it: 1,043 images, without pedestrians and bicycles.
_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/dataset_LostAndFound'
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='LostAndFoundDataset', data_root=data_root, test_mode=True,
        pipeline=_base_.test_pipeline, frames='no_known'))
