_base_ = './fed.py'
heads = dict(fedc=dict(condition_channels=16))
