"""The bundle: what is trained, calibrated, registered, judged and explained as one."""
