"""Writes ../data/log_mel.json: mel spectra by librosa.

Usage: python3 log_mel.py    (librosa 0.11.0, numpy 2.4.6)
"""

import json
import pathlib

import librosa
import numpy as np


def main():
    t = np.arange(1500) / 8000
    sound = 0.5 * np.sin(2 * np.pi * (300 + 1500 * t) * t) + 0.2 * np.sin(2 * np.pi * 2500 * t)
    cases = []
    for htk, norm in ((True, None), (False, "slaney")):
        mel = librosa.feature.melspectrogram(
            y=sound, sr=8000, n_fft=256, hop_length=100, n_mels=20, fmin=50, fmax=3800, htk=htk,
            norm=norm, center=True, pad_mode="reflect", dtype=np.float64)
        cases.append(np.log(mel + 1e-6).T.ravel().round(6).tolist())
    path = pathlib.Path(__file__).parent.parent / "data" / "log_mel.json"
    path.write_text(json.dumps({"htk": cases[0], "slaney": cases[1]}) + "\n")


if __name__ == "__main__":
    main()
