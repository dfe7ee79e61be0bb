_base_ = './bravo_acdc_fog.py'
test_dataloader = dict(dataset=dict(subset='outofcontext', labels='classes'))
