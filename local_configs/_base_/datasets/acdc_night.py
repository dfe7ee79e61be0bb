_base_ = './acdc.py'
train_dataloader = dict(dataset=dict(conditions=['night']))
test_dataloader = dict(dataset=dict(conditions=['night']))
