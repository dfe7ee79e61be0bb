_base_ = './acdc.py'
train_dataloader = dict(dataset=dict(conditions=['rain']))
test_dataloader = dict(dataset=dict(conditions=['rain']))
