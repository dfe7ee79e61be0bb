_base_ = './scores.py'
heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True))
