_base_ = './segformer_b0.py'
model = dict(decode_head=dict(num_classes=8))
test_scale = None
