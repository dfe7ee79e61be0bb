# Pixel by pixel (kernel_size=1): fitted in minutes, and better than 7x7 fitted as long; docs/design.md has the numbers.
_base_ = './scores.py'
heads = dict(fedu=dict(type='FlowEneDetHead', training_pixels=2048, flow=dict(kernel_size=1)))
