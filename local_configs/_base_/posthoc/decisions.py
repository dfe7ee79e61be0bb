# Flags with a promise (docs/decisions.md). Use as `model = dict(type='PosthocSegmentor', decisions=_base_.decisions)`, beside the
# heads that they read.
decisions = dict(
    false_alarms=dict(type='FlagThreshold', head='msp', promise='false_alarms', alpha=0.05),
    misses=dict(type='FlagThreshold', head='msp', promise='misses', alpha=0.3),
    frame_alarms=dict(type='FlagThreshold', head='msp', promise='frame_alarms', alpha=0.1, region=500),
    selective_risk=dict(type='FlagThreshold', head='msp', promise='selective_risk', alpha=0.1),
    precision=dict(type='FlagThreshold', head='msp', promise='precision', alpha=0.5))
