_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/dataset_AnomalyTrack'
test_dataloader = dict(dataset=dict(data_root=data_root))
