# Both flows for a model whose classifier works at half the input's size with 16 channels, such as ERFNet.
_base_ = './fed.py'
heads = dict(fedu=dict(scale_factor=0.5), fedc=dict(scale_factor=0.5, condition_channels=16))
