"""Whole networks: the rivals, their export, and the check that they are the same network."""
import os

import numpy


def load(path):
    """Metadata and tensors of a case, as NumPy arrays."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def network(case, style):
    """The network of a case and its images."""
    import networks
    import torch

    metadata, tensors = load(case)
    images = torch.from_numpy(tensors.pop("input"))
    del tensors["logits"]
    style.steps = int(metadata.get("T", 4))
    model = networks.build(metadata["model"], style)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return model, images


def fast():
    """The cheapest form of the same function: the first convolution once, K^T V first."""
    from networks import Style

    return Style(first_once=True, kv_first=True)


def check(case):
    """Greatest difference of the logits in 64-bit floats from those of the case."""
    import torch
    from networks import Style

    torch.set_grad_enabled(False)
    model, images = network(case, Style())
    _, tensors = load(case)
    model = model.double()
    found = torch.cat([model(few.double()) for few in images.split(4)])
    return float((found - torch.from_numpy(tensors["logits"]).double()).abs().max())


def export(case, batch, path):
    """Writes the network with folded BatchNorms as ONNX, complete or not at all."""
    import networks
    import torch

    torch.set_grad_enabled(False)
    model, images = network(case, fast())
    unfinished = f"{path}.unfinished"
    torch.onnx.export(
        networks.fold(model),
        (images[:batch],),
        unfinished,
        input_names=["input"],
        output_names=["logits"],
        opset_version=17,
        dynamo=False,
    )
    os.replace(unfinished, path)


def prepare(rival, case, onnx, batch, threads):
    """`(about, run)` of one rival."""
    if rival in ("openvino", "openvino-bf16"):
        return with_openvino(onnx, images_of(case, batch), threads, rival)
    if rival == "onnxruntime":
        return with_onnxruntime(onnx, images_of(case, batch), threads)
    return with_torch(rival, case, batch, threads)


def images_of(case, batch):
    _, tensors = load(case)
    return numpy.ascontiguousarray(tensors["input"][:batch])


def with_openvino(onnx, images, threads, rival):
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if rival.endswith("bf16") else "f32",
    }
    compiled = core.compile_model(core.read_model(onnx), "CPU", settings)
    request = compiled.create_infer_request()
    version = openvino.__version__.split("-")[0]
    about = f"openvino {version}, {settings['INFERENCE_PRECISION_HINT']}, BatchNorm folded"
    return about, lambda: request.infer({0: images})[0].copy()


def with_onnxruntime(onnx, images, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    about = f"onnxruntime {onnxruntime.__version__}, f32, BatchNorm folded"
    return about, lambda: session.run(None, {"input": images})[0]


def with_torch(rival, case, batch, threads):
    import networks
    import torch

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    if rival == "spikingjelly":
        import importlib.metadata

        model, images = network(case, networks.Style(neuron="spikingjelly"))
        own = importlib.metadata.version("spikingjelly")
        about = f"spikingjelly {own} on torch {version}, eager, as published"
    else:
        model, images = network(case, fast())
        model = networks.fold(model)
        about = f"torch {version}, eager, BatchNorm folded"
        if rival == "torch-compile":
            model = torch.compile(model, dynamic=False)
            about = f"torch {version}, compiled, BatchNorm folded"
    images = images[:batch].contiguous()
    return about, lambda: model(images).numpy()
