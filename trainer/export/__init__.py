"""Released data sets in the layouts that other trainers read: `laconic export DATASET FORMAT FOLDER`."""
