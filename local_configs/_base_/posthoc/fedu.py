_base_ = './scores.py'
heads = dict(fedu=dict(type='FlowEneDetHead'))
