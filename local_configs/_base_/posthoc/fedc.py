_base_ = './scores.py'
heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True, flow=dict(kernel_size=1)))
