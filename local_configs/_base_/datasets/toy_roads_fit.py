# What flows are fitted on: streets as the model will meet them, with objects of no class pasted in.
_base_ = './toy_roads.py'
train_pipeline = [
    dict(type='SeedAugmentations'),
    dict(type='RenderToyRoads'),
    dict(type='PasteOutliers', size=(4, 60)),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
