# IDD's 37 test drives with autorickshaws, guard rails, billboards, bridges and tunnels kept apart, for --eval OOD-local.
_base_ = './idd.py'
test_dataloader = dict(dataset=dict(keep_novel=True))
