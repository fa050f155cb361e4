"""Makes corpora for the fuzz targets: samples, whole, cut and with flipped bits.

Usage: python3 corpus.py [FOLDER...]

Samples are those of `../tests/data`, those of `../../snn-import/tests/data`, a few that are written
here, and the recordings in the folders named, of which each gives its beginning. The same samples
give the same corpora. `corpus/TARGET` is where `cargo fuzz run TARGET` looks for them.
"""

import gzip
import io
import pathlib
import random
import struct
import sys
import tarfile
import wave
import zipfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "tests" / "data"
IMPORT = HERE.parent.parent / "snn-import"
LONGEST = 24 << 10

# As the targets number them.
EVENTS = ["aedat2", "aedat3", "aedat4", "bin", "dat", "evt2", "evt3", "es", "txt", "npy", "mat"]
FILES = ["npz", "h5", "mat", "npy", "gz", "raw", "wav", "txt"]
IDX, CIFAR, MANIFEST, PNG, JPEG, TABLE, TEXT, META, VAL, GESTURE = range(10)


def event_format(name, start):
    """Number of the format in EVENTS, or None."""
    for head, format in [(b"#!AER-DAT2", "aedat2"), (b"#!AER-DAT3", "aedat3"),
                         (b"#!AER-DAT4", "aedat4"), (b"Event Stream", "es"),
                         (b"\x93NUMPY", "npy"), (b"MATLAB", "mat")]:
        if start.startswith(head):
            return EVENTS.index(format)
    if start.startswith(b"%"):
        for words, format in [(b"evt 3", "evt3"), (b"EVT3", "evt3"), (b"evt 2", "evt2"),
                              (b"EVT2", "evt2"), (b"Data file", "dat")]:
            if words in start[:2000]:
                return EVENTS.index(format)
    ending = name.rsplit(".", 1)[-1]
    return EVENTS.index(ending) if ending in ("bin", "dat", "txt") else None


def damaged(sample, rng):
    """The sample, its beginnings, and copies with flipped bits, set words, lost and doubled parts."""
    yield sample
    for _ in range(3):
        yield sample[:rng.randrange(len(sample) + 1)]
    for _ in range(6):
        copy = bytearray(sample)
        for _ in range(rng.randrange(1, 5)):
            if not copy:
                break
            at = rng.randrange(len(copy))
            kind = rng.randrange(4)
            if kind == 0:
                copy[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                copy[at:at + 4] = struct.pack("<I", rng.choice([0, 1, 2**31 - 1, 2**32 - 1]))
            elif kind == 2:
                del copy[at:at + rng.randrange(40)]
            else:
                copy[at:at] = copy[at:at + rng.randrange(400)]
        yield bytes(copy)


def write(folder, samples):
    """Writes the damaged samples, each behind its first byte; `None` for no such byte."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, count = random.Random(1), 0
    for first, sample in samples:
        head = b"" if first is None else bytes([first])
        for copy in damaged(sample[:LONGEST], rng):
            (folder / f"{count:05}").write_bytes(head + copy)
            count += 1
    print(f"{count} in {folder}")


def recordings(folders):
    """Names and beginnings of event files, unpacked."""
    for folder in [DATA / "events", *folders]:
        for path in sorted(pathlib.Path(folder).iterdir()):
            if path.is_file() and path.suffix not in (".json", ".csv"):
                opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
                with opened as file:
                    yield path.name.removesuffix(".gz"), file.read(LONGEST)


def sound():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(200)))
    return buffer.getvalue()


def png():
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body
                + struct.pack(">I", zlib.crc32(kind + body)))
    rows = b"".join(b"\0" + bytes(range(3 * i, 3 * i + 24)) for i in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def datasets():
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes([0, 1, 2, 3, 4])
    images = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + bytes(range(24))
    yield from [(IDX, labels), (IDX, images)]
    yield from [(CIFAR, bytes([3]) + bytes(3072)), (CIFAR, bytes([3, 9]) + bytes(3072))]
    for manifest in sorted((HERE.parents[2] / "datasets").glob("*.toml")):
        yield MANIFEST, manifest.read_bytes()
    yield PNG, png()
    # A grey picture of 8 by 8 pixels with the tables of the standard's annex K.
    yield JPEG, bytes.fromhex(
        "ffd8ffdb004300" + "10" * 64 + "ffc0000b080008000801011100"
        "ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
        "ffda0008010100003f00d2ffd9")
    yield TABLE, b"sentence\tlabel\na fine day\t1\n\"quoted\tnot\t0\n"
    yield TABLE, b"gj04\t1\t\tOur friends won't buy this.\ngj05\t0\t*\tThey drank.\n"
    yield TABLE, b"index\tsentence1\tsentence2\tgold_label\n0\tA\tB\tneutral\n"
    yield TEXT, "First Citizen:\nBefore we proceed, \u00e9t\u00e9.\n".encode()
    yield from [(META, (DATA / f"meta_{kind}.mat").read_bytes()) for kind in ("packed", "plain")]
    yield VAL, b"val_0.JPEG\tn01\t0\t32\t44\t62\n"
    yield GESTURE, b"class,startTime_usec,endTime_usec\n1,100,200\n11,300,400\n"
    yield GESTURE, b"a.aedat\nb.aedat\n"


def archives():
    """zip, tar, tar.gz; the upper half of the first byte asks for an archive inside of it."""
    members = [("a/b.bin", b"bytes" * 50), ("../c.bin", b"out"), ("/d.bin", b"root")]
    for names in (members[:1], members):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in names:
                archive.writestr(zipfile.ZipInfo(name), body)
        yield from [(0, packed.getvalue()), (128 + 4, packed.getvalue())]
        for number, mode in ((1, "w"), (2, "w:gz")):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode=mode) as archive:
                for name, body in names:
                    info = tarfile.TarInfo(name)
                    info.size = len(body)
                    archive.addfile(info, io.BytesIO(body))
                link = tarfile.TarInfo("link")
                link.type, link.linkname = tarfile.SYMTYPE, "../../outside"
                archive.addfile(link)
            yield number, packed.getvalue()


def main():
    samples = list(recordings(sys.argv[1:]))
    known = [(event_format(name, body), body) for name, body in samples]
    known.append((EVENTS.index("txt"), b"# t x y p\n0.001 1 2 1\n17 5 6 -1\n"))
    corpus = HERE / "corpus"
    write(corpus / "events", [pair for pair in known if pair[0] is not None])
    files = [(FILES.index(ending) if ending in FILES else FILES.index("raw"), body)
             for ending, body in ((name.rsplit(".", 1)[-1], body) for name, body in samples)]
    files += [(FILES.index("gz"), gzip.compress(samples[0][1], mtime=0)),
              (FILES.index("wav"), sound())]
    write(corpus / "files", files)
    write(corpus / "datasets", datasets())
    write(corpus / "archives", archives())
    checkpoints = sorted(path for path in (IMPORT / "tests" / "data").iterdir()
                         if path.suffix != ".md")
    write(IMPORT / "fuzz" / "corpus" / "checkpoint",
          [(None, path.read_bytes()) for path in checkpoints])


if __name__ == "__main__":
    main()
