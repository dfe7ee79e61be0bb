# A flow that sees, beside energies of the logits, how far the features of a pixel lie from those of the fitting images: two more
# scores of the model, which have to be fitted first (`fit --add fed_evidence` does both, or combined.py before this one).
_base_ = './combined.py'
heads = dict(
    mahalanobis_pp=dict(type='MahalanobisHead', normalize=True),
    fed_evidence=dict(
        type='FlowEneDetHead',
        evidence=['knn', 'mahalanobis_pp'],
        training_pixels=2048,
        flow=dict(kernel_size=1)))
