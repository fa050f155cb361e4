"""Makes the torch of this environment import without the libraries of CUDA.

    python without_cuda.py

The wheel of PyTorch for x86-64 Linux is built for CUDA and does not load without
2 GB of its libraries. The part for the processor is complete without them. This
puts libraries in their place that define the names which PyTorch links to and
nothing else. It needs a C compiler and `nm`; elsewhere than on x86-64 Linux, and
where nothing is missing, there is nothing to do.
"""
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KEPT = ["libtorch_cpu.so", "libc10.so", "libc10_cuda.so", "libshm.so"]
REPLACED = ["libtorch_cuda.so", "libtorch_nvshmem.so"]
# What `libtorch_python.so` itself links to, and how the names of each begin. The names
# carry a version; the loader wants it only in the library that is called so.
MISSING = {"libcudnn.so.9": "cudnn", "libcufile.so.0": "cuFile"}
UNUSED = ["libtorch_cuda_linalg.so"]


def names(library, which):
    listing = subprocess.run(["nm", "-D", which, library], capture_output=True, text=True, check=True)
    entries = (line.split() for line in listing.stdout.splitlines())
    return {entry[-1].split("@")[0] for entry in entries if entry[-2] not in "wv"}


def definition(name):
    """A name in assembly: functions return the address of zeros, which static
    initialisers of PyTorch write to; type information names its type, which its
    registry of classes reads."""
    if name.startswith("_ZTI"):
        what = f".quad _ZTVN10__cxxabiv117__class_type_infoE+16, 1f\n1: .asciz \"{name[4:]}\""
        return f".data\n.balign 16\n.globl {name}\n{name}: {what}\n"
    if name.startswith("_ZTV"):
        return f".bss\n.balign 16\n.globl {name}\n{name}: .zero 4096\n"
    return f".text\n.globl {name}\n{name}: lea zeros(%rip), %rax\nret\n"


def link(target, code):
    # Built beside, then renamed: the file that was there may be a hard link.
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        source = Path(folder, "names.s")
        made = Path(folder, target.name)
        source.write_text(code + '.section .note.GNU-stack,"",@progbits\n')
        command = ["cc", "-shared", "-nostdlib", "-o", made, f"-Wl,-soname,{target.name}", source]
        subprocess.run(command, check=True)
        made.replace(target)


def main():
    lib = Path(importlib.util.find_spec("torch").origin).parent / "lib"
    if not (lib / "libtorch_cuda.so").exists() or importlib.util.find_spec("nvidia.cudnn"):
        return
    if platform.machine() != "x86_64":
        sys.exit(f"this PyTorch is built for CUDA on {platform.machine()}, expected x86_64")
    for tool in ["cc", "nm"]:
        if not shutil.which(tool):
            sys.exit(f"`{tool}` is not installed; it comes with gcc or clang and their binutils")
    kept = set().union(*(names(lib / name, "--defined-only") for name in KEPT))
    wanted = names(lib / "libtorch_python.so", "--undefined-only") - kept
    replaced = set().union(*(names(lib / name, "--defined-only") for name in REPLACED))
    needed = wanted & replaced | {name for name in wanted if name.startswith(tuple(MISSING.values()))}
    zeros = ".bss\n.balign 64\nzeros: .zero 65536\n"
    link(lib / "libtorch_cuda.so", zeros + "".join(map(definition, sorted(needed))))
    for library in MISSING:
        link(lib / library, "")
    for name in [*UNUSED, "libtorch_nvshmem.so"]:
        (lib / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
