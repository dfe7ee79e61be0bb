_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/road_anomaly'
test_dataloader = dict(dataset=dict(data_root=data_root))
