dataset_type = 'ToyRoadsDataset'
test_pipeline = [
    dict(type='RenderToyRoads'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type, split='test', length=200, anomalies=True, test_mode=True, pipeline=test_pipeline))
