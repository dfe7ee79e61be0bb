_base_ = './acdc.py'
train_dataloader = dict(dataset=dict(conditions=['fog']))
test_dataloader = dict(dataset=dict(conditions=['fog']))
