_base_ = './scores.py'
heads = dict(fedc=dict(type='FlowEneDetHead', conditional=True, training_pixels=2048, flow=dict(kernel_size=1)))
