# Both halves: classes of valid pixels, 253 where the scene was altered.
_base_ = './bravo_acdc_fog.py'
test_dataloader = dict(dataset=dict(subset='synobjs', labels='joint'))
