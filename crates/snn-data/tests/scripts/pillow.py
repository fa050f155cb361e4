"""Writes ../data/pillow.json: what Pillow makes of small images.

Usage: python3 pillow.py        (Pillow 9.5.0, numpy 1.26.4, Python 3.11)

The resizing cases are torchvision's evaluation transform on PIL images, Resize(side, BICUBIC) and
CenterCrop: size arithmetic as torchvision's functional.py has it, pixels by Image.resize. The
operations are those that timm's RandAugment calls, with the arguments its level functions give.
"""

import json
import pathlib
import sys

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps


def picture(height, width, channels, seed):
    """Smooth waves with noise, so that edges, flat parts and both ends of the scale occur."""
    rng = np.random.default_rng(seed)
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    waves = 128 + 110 * np.sin(0.7 * x + c) * np.cos(0.5 * y - c) + rng.normal(0, 25, y.shape)
    return np.clip(waves, 0, 255).astype(np.uint8)


def pil(array):
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def dump(image):
    array = np.asarray(image)
    array = array[:, :, None] if array.ndim == 2 else array
    return {"shape": list(array.shape), "pixels": array.flatten().tolist()}


def evaluate(image, side, crop):
    w, h = image.size
    short, long = min(w, h), max(w, h)
    longer = int(side * long / short)
    image = image.resize((side, longer) if w <= h else (longer, side), Image.BICUBIC)
    w, h = image.size
    top, left = int(round((h - crop[0]) / 2.0)), int(round((w - crop[1]) / 2.0))
    return image.crop((left, top, left + crop[1], top + crop[0]))


FILL = (125, 123, 114)


def fill(image):
    return FILL if image.mode == "RGB" else FILL[0]


def affine(image, matrix):
    return image.transform(
        image.size, Image.AFFINE, matrix, resample=Image.BICUBIC, fillcolor=fill(image)
    )


def solarize_add(image, add):
    return image.point([min(255, i + add) if i < 128 else i for i in range(256)] * len(image.getbands()))


def posterize(image, bits):
    """ImageOps.posterize; 0 bits, which Pillow took until it began to check, gives black."""
    return ImageOps.posterize(image, bits) if bits else image.point(lambda _: 0)


def enhance(level, sign, increasing):
    return max(0.1, 1.0 + sign * level * 0.9) if increasing else level * 1.8 + 0.1


def operation(name, image, magnitude, sign, increasing):
    level = magnitude / 10
    factor = enhance(level, sign, increasing)
    bits = 4 - int(level * 4) if increasing else int(level * 4)
    threshold = 256 - int(level * 256) if increasing else int(level * 256)
    pixels = [sign * level * 0.45 * side for side in image.size]
    return {
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageOps.invert(image),
        "Rotate": lambda: image.rotate(sign * level * 30, resample=Image.BICUBIC, fillcolor=fill(image)),
        "Posterize": lambda: posterize(image, bits),
        "Solarize": lambda: ImageOps.solarize(image, threshold),
        "SolarizeAdd": lambda: solarize_add(image, int(level * 110)),
        "Color": lambda: ImageEnhance.Color(image).enhance(factor),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "ShearX": lambda: affine(image, (1, sign * level * 0.3, 0, 0, 1, 0)),
        "ShearY": lambda: affine(image, (1, 0, 0, sign * level * 0.3, 1, 0)),
        "TranslateX": lambda: affine(image, (1, 0, pixels[0], 0, 1, 0)),
        "TranslateY": lambda: affine(image, (1, 0, 0, 0, 1, pixels[1])),
    }[name]()


OPS = [
    "AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color",
    "Contrast", "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY",
]


def main():
    out = {
        "made_by": "tests/scripts/pillow.py",
        "versions": {
            "python": sys.version.split()[0], "pillow": PIL.__version__, "numpy": np.__version__,
        },
        "fill": FILL,
        "evaluate": [],
        "operations": [],
        "grey": [],
    }
    # height, width, channels, shorter side after resizing, crop
    for h, w, c, side, crop in [
        (37, 53, 3, 16, (12, 12)), (53, 37, 3, 17, (12, 12)), (40, 61, 1, 9, (9, 9)),
        (8, 9, 3, 13, (13, 13)), (64, 64, 3, 11, (8, 9)), (5, 31, 1, 7, (7, 15)),
    ]:
        array = picture(h, w, c, seed=h)
        out["evaluate"].append({
            "input": dump(pil(array)), "resize": side, "crop": crop,
            "output": dump(evaluate(pil(array), side, crop)),
        })
    pictures = [pil(picture(7, 9, 3, seed=1)), pil(picture(8, 8, 1, seed=2))]
    # A picture of few values: Equalize and AutoContrast take their short ways.
    pictures.append(Image.fromarray(np.repeat(np.uint8([[90, 90, 200, 90]]), 3, axis=0)))
    cases = [(9.3, 1.0, True), (6.1, -1.0, True), (10.0, -1.0, True), (4.7, 1.0, False)]
    out["pictures"] = [dump(p) for p in pictures]
    for name in OPS:
        for index, image in enumerate(pictures):
            for magnitude, sign, increasing in cases:
                result = operation(name, image, magnitude, sign, increasing)
                out["operations"].append({
                    "name": name, "picture": index, "magnitude": magnitude, "sign": sign,
                    "increasing": increasing, "pixels": dump(result)["pixels"],
                })
    out["grey"] = dump(pictures[0].convert("L"))["pixels"]
    path = pathlib.Path(__file__).parent.parent / "data" / "pillow.json"
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()
