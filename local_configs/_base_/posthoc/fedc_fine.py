_base_ = './fedc.py'
heads = dict(fedc=dict(scale_factor=2))
