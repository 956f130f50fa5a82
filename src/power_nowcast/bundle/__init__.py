"""The bundle: a model with its features and calibration, which is trained, registered and explained as a unit."""
