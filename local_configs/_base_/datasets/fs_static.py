_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/fs_static'
test_dataloader = dict(dataset=dict(data_root=data_root))
