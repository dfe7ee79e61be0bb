_base_ = './fedu.py'
heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True))
