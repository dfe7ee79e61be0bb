_base_ = './acdc.py'
train_dataloader = dict(dataset=dict(conditions=['snow']))
test_dataloader = dict(dataset=dict(conditions=['snow']))
