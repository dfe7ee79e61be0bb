"""What a high value of each score says, in a line for people who have not read its source."""
from __future__ import annotations

# By class, so that every name that a config gives a head has its line.
SCORE_MEANINGS = dict(
    EnergyHead='No class has a high logit: the pixel is unlike what the model was trained on.',
    EnsembleHead='Members of the ensemble disagree about the class.',
    EntropyHead='The probability is spread over several classes.',
    FDBDHead='The features lie close to the border between two classes.',
    FlowEneDetHead='A flow that was fitted on mistakes holds this prediction for wrong.',
    GENHead='The largest probabilities are far from 0 and 1.',
    KLMatchingHead='The probabilities look like those of no class in the fitted images.',
    MCDropoutHead='Switching off random features changes the predicted class.',
    MSPHead='The predicted class has a low probability.',
    MahalanobisHead='The features are far from the mean of every class.',
    MarginHead='The second class is nearly as likely as the first; this is no probability of a mistake.',
    MaskomalyHead='No mask of a known class covers the pixel.',
    MaxLogitHead='The largest logit is low: little in the image speaks for the predicted class.',
    NECOHead='The features leave the directions in which the classes lie.',
    NearestNeighborHead='No feature of the fitted images is near.',
    PNMLHead='A single further example could change the classifier here.',
    RbAHead='All classes reject the pixel.',
    ReActHead='No class has a high logit once unusually large features are cut off.',
    ResidualHead='The features have a part that the fitted images do not have.',
    SCALEHead='No class has a high logit once the strongest features are scaled up.',
    SoftmaxDeviationHead='The probabilities of the classes are close to each other.',
    StandardizedMaxLogitHead='The largest logit is low for its class.',
    SumOfScoresHead='Several scores together are high.',
    ViMHead='The features have a part that the fitted images do not have, and no class has a high logit.')
SET_MEANINGS = dict(
    LAC='LAC: every class that reaches the threshold by itself; smallest sets on average, sure pixels get one class.',
    APS='APS: the likeliest classes until their sum is large enough; hard pixels get more classes, easy ones rarely none.')
