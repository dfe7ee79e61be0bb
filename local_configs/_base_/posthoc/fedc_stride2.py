_base_ = './fedc.py'
heads = dict(fedc=dict(scale_factor=0.5, condition_channels=16))
