# A flow for unknown objects that learns what logits, distances of features and the classifier itself say of pasted outliers
# (docs/study.md). Its evidence has to be fitted first: `fit --add outliers_evidence` does both.
_base_ = './combined.py'
heads = dict(
    mahalanobis_pp=dict(type='MahalanobisHead', normalize=True),
    react=dict(type='ReActHead'),
    fdbd=dict(type='FDBDHead'),
    residual=dict(type='ResidualHead'),
    fed_outliers_evidence=dict(
        type='FlowEneDetHead',
        class_condition=False,
        evidence=['knn', 'mahalanobis_pp', 'react', 'fdbd', 'residual'],
        training_pixels=512,
        flow=dict(kernel_size=1),
        loss_decode=dict(type='FlowEneDetLoss', mistake_weight=0.05, inlier_weight=0.2)))
