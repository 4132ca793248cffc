"""Sizes that both scripts share; neither library is imported here."""

SIDE_PX = 28
SIGMA = 50  # on the scale 0 to 255
TRAINED_ON, TESTED_ON = 2000, 500
TRAINING_SEED, TEST_SEED = 0, 1
