_base_ = './fedu.py'
heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True, flow=dict(kernel_size=1)))
