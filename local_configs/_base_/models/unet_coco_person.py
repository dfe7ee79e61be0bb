# One sigmoid channel: a person, or not.
_base_ = './unet.py'
model = dict(
    decode_head=dict(
        num_classes=2, out_channels=1, threshold=0.5,
        loss_decode=dict(_delete_=True, type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True)))
