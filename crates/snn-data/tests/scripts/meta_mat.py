"""Writes ../data/meta_{packed,plain}.mat in the layout of ImageNet's development kit.

Usage: python3 meta_mat.py      (SciPy 1.17, numpy 2.4)
"""

import pathlib

import numpy as np
from scipy.io import savemat

FIELDS = [
    ("ILSVRC2012_ID", 1), ("WNID", "n"), ("words", "w"), ("gloss", "g"), ("num_children", 0),
    ("children", np.zeros((0, 0))), ("wordnet_height", 0), ("num_train_images", 1300),
]
ROWS = [(1, "n02119789"), (2, "n02100735"), (300, "n02391049"), (1000, "n03255030")]

synsets = np.zeros((len(ROWS), 1), dtype=[(name, object) for name, _ in FIELDS])
for row, (number, wnid) in enumerate(ROWS):
    for name, value in FIELDS:
        synsets[row, 0][name] = {"ILSVRC2012_ID": float(number), "WNID": wnid}.get(name, value)
data = pathlib.Path(__file__).parent.parent / "data"
for name, packed in (("packed", True), ("plain", False)):
    variables = {"before": np.arange(3.0), "synsets": synsets}
    savemat(data / f"meta_{name}.mat", variables, do_compression=packed)
