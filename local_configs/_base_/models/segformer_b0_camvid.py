_base_ = './segformer_b0.py'
model = dict(decode_head=dict(num_classes=11))
test_scale = (10000, 360)
test_keep_ratio = True
