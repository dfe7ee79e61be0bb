_base_ = './fedu.py'
heads = dict(fedu=dict(scale_factor=0.5))
