_base_ = './fed.py'
heads = dict(fedu=dict(scale_factor=2), fedc=dict(scale_factor=2))
