# BRAVO, where its ground truth is at hand: valid pixels of ACDC in fog.
_base_ = './anomaly_folder.py'
data_root = '{{$DATA_ROOT:data}}/bravo'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadBravoLabels'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='BravoDataset', data_root=data_root, subset='ACDCfog', labels='classes', test_mode=True,
        pipeline=test_pipeline))
