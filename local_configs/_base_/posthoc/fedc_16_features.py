# For a model whose classifier works at half the input's size with 16 channels, such as ERFNet.
_base_ = './fedc.py'
heads = dict(fedc=dict(condition_channels=16))
