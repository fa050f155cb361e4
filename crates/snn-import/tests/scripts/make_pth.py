#!/usr/bin/env python3
"""Makes PyTorch files to test `snn import` on.

    make_pth.py fixtures FOLDER          the files of tests/data, named after this PyTorch
    make_pth.py convert IN OUT [options] IN is safetensors, OUT what PyTorch would have saved

Works with PyTorch 1.13 and 2.11. Files of PyTorch 0.1 (tar) and 0.3 (storage views) are written
here by hand, as those releases wrote them, and read back with this PyTorch before they are kept.
"""

import argparse
import io
import pickle
import struct
import sys
import tarfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy
import torch

SEED = 2026
MAJOR = torch.__version__.split(".")[0]


# What is saved.

def mixed():
    """Tensors of every type and layout, among what training scripts put beside them."""
    base = torch.arange(24.0)
    floats = (torch.arange(6.0) - 2.5).reshape(2, 3)
    tensors = OrderedDict(
        float=floats,
        half=floats.half(),
        bfloat16=floats.bfloat16(),
        double=floats.double() / 3,
        int=torch.tensor([[-(2**31), 2**31 - 1]], dtype=torch.int32),
        long=torch.tensor([-(2**63), 2**63 - 1]),
        short=torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        char=torch.tensor([-128, 127], dtype=torch.int8),
        byte=torch.tensor([0, 255], dtype=torch.uint8),
        bool=torch.tensor([True, False, True]),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 4),
        transposed=floats.t(),
        permuted=base.reshape(2, 3, 4).permute(2, 0, 1),
        column=base.reshape(6, 4)[:, 1],
        shared_first=base[:10],
        shared_last=base[10:],
        tied=floats,
        parameter=torch.nn.Parameter(torch.tensor([1.0, -1.0])),
    )
    tensors["buffer.with.dots"] = torch.tensor([7])
    return tensors


def unreadable():
    """Tensors that no network of the zoo has."""
    return {
        "complex": torch.complex(torch.ones(2), torch.zeros(2)),
        "sparse": torch.eye(3).to_sparse(),
        "repeated": torch.tensor([1.0, 2.0]).expand(3, 2),
        "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    }


class Foreign:
    """A class that only this script knows; loading must never need it."""

    def __init__(self):
        self.note = "opaque"

    def __reduce__(self):
        return (print, ("this line must never appear",), {"note": self.note})


def beside():
    """What training scripts save beside a network."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=1e-3)
    weight.sum().backward()
    optimizer.step()
    return {
        "epoch": 310,
        "metric": numpy.float64(95.19),
        "array": numpy.arange(3),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(model="none", img_size=32, lr=5e-4, note=None, big=2**70),
        "history": defaultdict(list, loss=[2.3, 1.9]),
        "names": {"set"} | {"of", "text"},
        "raw": b"\x00\xff",
        "foreign": Foreign(),
    }


class Part(torch.nn.Module):
    """A part of a module."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("kept", torch.zeros(3), persistent=False)


class Whole(torch.nn.Module):
    """A module that is saved whole."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))
        self.part = Part()
        self.register_parameter("absent", None)


# How it is saved.

NAMES = {
    torch.float32: "Float", torch.float64: "Double", torch.int32: "Int", torch.int64: "Long",
    torch.int16: "Short", torch.int8: "Char", torch.uint8: "Byte", torch.bool: "Bool",
    torch.float16: "Half", torch.bfloat16: "BFloat16",
}


def storage_class(storage):
    """The class that a pickle names, such as torch.FloatStorage."""
    return getattr(torch, NAMES[storage.dtype] + "Storage")


def raw(storage):
    """The bytes of a storage."""
    data = torch.tensor([], dtype=storage.dtype)
    data = data.set_(storage, 0, (len(storage),), (1,))
    if storage.dtype == torch.bfloat16:
        data = data.view(torch.int16)
    return data.numpy().tobytes()


def address(storage):
    return storage.data_ptr()


class Old(pickle._Pickler):
    """Pickles tensors as PyTorch 0.3 did: without the hooks, and storages may be views."""

    def __init__(self, file, view_into):
        super().__init__(file, protocol=2)
        self.view_into, self.storages = view_into, {}

    def reducer_override(self, value):
        if isinstance(value, torch.nn.Parameter):
            value = value.data
        if isinstance(value, torch.Tensor):
            arguments = (value.storage(), value.storage_offset(), value.size(), value.stride())
            return (torch._utils._rebuild_tensor, arguments)
        return NotImplemented

    def persistent_id(self, value):
        if not torch.is_storage(value):
            return None
        key = str(address(value))
        root, view = self.view_into.get(key, (value, None))
        root_key = str(address(root)) if view is None else f"root of {key}"
        self.storages[root_key] = root
        return ("storage", storage_class(value), root_key, "cpu", len(root), view)


def save_03(value, path):
    """One stream of pickles, then the storages; that of `shared_*` is a view into a larger one."""
    shared = value["shared_first"].storage()
    root = torch.cat([torch.tensor([-1.0, -2.0]), value["shared_first"], value["shared_last"]])
    view = (str(address(shared)), 2, len(shared))
    system = dict(protocol_version=1001, little_endian=True,
                  type_sizes=dict(short=2, int=4, long=8))
    with open(path, "wb") as file:
        for head in [0x1950A86A20F9469CFC6C, 1001, system]:
            pickle.dump(head, file, protocol=2)
        pickler = Old(file, {view[0]: (root.storage(), view)})
        pickler.dump(value)
        keys = sorted(pickler.storages)
        pickle.dump(keys, file, protocol=2)
        for key in keys:
            storage = pickler.storages[key]
            file.write(struct.pack("<q", len(storage)) + raw(storage))


class Older(pickle._Pickler):
    """Pickles tensors and storages as PyTorch 0.1 did: by number."""

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.tensors, self.storages = {}, {}

    def persistent_id(self, value):
        if isinstance(value, torch.Tensor):
            self.tensors[id(value)] = value
            return str(id(value))
        return None


def save_01(value, path):
    """A tar archive of `storages`, `tensors` and `pickle`."""
    main = io.BytesIO()
    pickler = Older(main)
    pickler.dump(value)
    tensors, storages, views = io.BytesIO(), io.BytesIO(), []
    keys = {}
    for tensor in pickler.tensors.values():
        storage = tensor.detach().storage()
        keys.setdefault(address(storage) or id(tensor), storage)
    pickle.dump(len(keys) + 1, storages, protocol=2)
    for key, storage in keys.items():
        pickle.dump((key, "cpu", storage_class(storage)), storages, protocol=2)
        storages.write(struct.pack("<q", len(storage)) + raw(storage))
    # One more storage, of which the tensor "viewed" is a view.
    root = torch.tensor([9.0, 8.0, 7.0, 6.0]).storage()
    pickle.dump((1, "cpu", storage_class(root)), storages, protocol=2)
    storages.write(struct.pack("<q", len(root)) + raw(root))
    views.append((2, 1, 1, 2))
    pickle.dump(views, storages, protocol=2)
    pickle.dump(len(pickler.tensors), tensors, protocol=2)
    for number, tensor in pickler.tensors.items():
        tensor = tensor.detach()
        key = address(tensor.storage()) or number
        offset = tensor.storage_offset()
        if tensor.tolist() == [8.0, 7.0]:
            key, offset = 2, 0
        kind = getattr(torch, NAMES[tensor.dtype] + "Tensor")
        pickle.dump((number, key, kind), tensors, protocol=2)
        axes = tensor.dim()
        tensors.write(struct.pack("<ii", axes, 0))
        tensors.write(struct.pack(f"<{axes}q{axes}q", *tensor.shape, *tensor.stride()))
        tensors.write(struct.pack("<q", offset))
    with tarfile.open(path, "w:", format=tarfile.GNU_FORMAT) as archive:
        for name, content in [("storages", storages), ("tensors", tensors), ("pickle", main)]:
            entry = tarfile.TarInfo(name)
            entry.size = content.tell()
            content.seek(0)
            archive.addfile(entry, content)


def nameless(value, *_):
    """In place of the source file and the text of a class, which PyTorch would save with a module."""
    return ["class:"], 0, "source.py"


def save(value, path, container="zip", protocol=2):
    """Writes it; tensors alone are read back with PyTorch."""
    if container == "tar":
        save_01(value, path)
    elif container == "0.3":
        save_03(value, path)
    else:
        zipped = container == "zip"
        torch.serialization.get_source_lines_and_file = nameless
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    if isinstance(value, OrderedDict):
        back = load(path)
        assert list(back) == list(value)
        assert all(same(back[name], value[name]) for name in value), path


def load(path):
    options = {} if MAJOR == "1" else {"weights_only": False}
    return torch.load(path, **options)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.detach(), b.detach())


# Commands.

def fixtures(folder):
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)
    name = f"torch{MAJOR}"
    if MAJOR == "2":
        expected = {key: value.detach().contiguous().clone() for key, value in mixed().items()}
        save_file(expected, folder / "expected.safetensors")
    for protocol in range(2, 6):
        save(mixed(), folder / f"{name}-zip-{protocol}.pth", "zip", protocol)
        save(mixed(), folder / f"{name}-legacy-{protocol}.pth", "legacy", protocol)
    save({**beside(), "unreadable": unreadable(), "state_dict": {"weight": torch.ones(2)}},
         folder / f"{name}-beside.pth.tar")
    torch.manual_seed(SEED)
    save({"net": Whole()}, folder / f"{name}-module.pt", "zip" if MAJOR == "2" else "legacy")
    if MAJOR == "1":
        tar = OrderedDict((k, v) for k, v in mixed().items() if k not in OF_LATER_RELEASES)
        tar["viewed"] = torch.tensor([8.0, 7.0])
        save(tar, folder / "torch0.1.pth.tar", "tar")
        save(mixed(), folder / "torch0.3.pth", "0.3")
    else:
        crc = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        save(OrderedDict(float=mixed()["float"]), folder / "torch2-no-crc.pth")
        torch.serialization.set_crc32_options(crc)
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), folder / "torch2-script.pt")
    network = folder / "spikformer.safetensors"
    if network.exists():
        weights = load_file(network)
        module = {f"module.{key}": value for key, value in weights.items()}
        args = argparse.Namespace(model="spikformer", time_steps=2, num_heads=2, img_size=8,
                                  mlp_ratio=1, num_classes=10)
        save({"epoch": 3, "arch": "spikformer", "state_dict": module, "args": args},
             folder / f"{name}-spikformer.pth.tar", "legacy")
        save({"model": flat(weights), "optimizer": beside()["optimizer"]},
             folder / f"{name}-spikformer-flat.bin", "zip")


# PyTorch 0.1 had no scalars, no bool, no bfloat16 and no tensors without elements.
OF_LATER_RELEASES = {"scalar", "bool", "bfloat16", "empty", "half"}


def flat(weights):
    """The same tensors as views of one storage for each type."""
    kinds = {}
    for name, value in weights.items():
        kinds.setdefault(value.dtype, []).append(name)
    views = {}
    for names in kinds.values():
        whole, at = torch.cat([weights[name].reshape(-1) for name in names]), 0
        for name in names:
            count = weights[name].numel()
            views[name] = whole[at:at + count].view(weights[name].shape)
            at += count
    return OrderedDict((name, views[name]) for name in weights)


def convert(arguments):
    from safetensors.torch import load_file

    value = OrderedDict(load_file(arguments.source))
    if arguments.flat:
        value = flat(value)
    if arguments.half:
        value = OrderedDict((k, v.half() if v.is_floating_point() else v)
                            for k, v in value.items())
    value = OrderedDict((arguments.prefix + name, tensor) for name, tensor in value.items())
    for key in reversed(arguments.wrap.split(".") if arguments.wrap else []):
        value = {**beside(), key: value}
    save(value, arguments.target, arguments.container, arguments.protocol)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("fixtures")
    command.add_argument("folder", type=Path)
    command = commands.add_parser("convert")
    command.add_argument("source", type=Path)
    command.add_argument("target", type=Path)
    command.add_argument("--container", default="zip", choices=["zip", "legacy", "tar", "0.3"])
    command.add_argument("--protocol", type=int, default=2)
    command.add_argument("--wrap", default="", help="keys around the weights: outer.inner")
    command.add_argument("--prefix", default="", help="in front of every name")
    command.add_argument("--flat", action="store_true", help="all weights in one storage")
    command.add_argument("--half", action="store_true", help="16-bit floats")
    arguments = parser.parse_args()
    if arguments.command == "fixtures":
        fixtures(arguments.folder)
    else:
        convert(arguments)


if __name__ == "__main__":
    sys.exit(main())
