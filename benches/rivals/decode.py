"""One step of decoding: one query a head against a cache of keys and values, as dense
matrix products in PyTorch; `softmax`, or the value of the best key (`wta`)."""


def prepare(rival, case, form, threads):
    """`(about, run)` of one rival; the answer is `[heads, width]`."""
    import torch
    from models import load

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    tensors = {name: torch.from_numpy(x) for name, x in load(case)[1].items()}
    q, k, v = tensors["q"], tensors["k"], tensors["v"]  # [H, 1, d], [H, N, d], [H, N, d]
    keys = k.transpose(1, 2).contiguous()  # the faster layout of a cache

    def softmax(q, keys, v):
        return torch.softmax(q @ keys * 0.125, -1) @ v

    tokens = k.shape[1]
    earlier = torch.arange(tokens - 1, -1, -1.0).expand(len(k), 1, -1).contiguous()

    def wta(q, keys, v):
        # Of equal scores the first, which a maximum alone does not promise: exact, below 2^24.
        # What has nothing in common with the query does not win.
        score, best = torch.baddbmm(earlier, q * tokens, keys).max(-1, keepdim=True)
        return v.gather(1, best.expand(-1, -1, v.shape[-1])) * (score >= tokens)

    compute = {"softmax": softmax, "wta": wta}[form]
    about = f"torch {version}, {form}"
    if rival == "torch-compile":
        compute = torch.compile(compute, dynamic=False)
        about += ", compiled"
    return about, lambda: compute(q, keys, v).numpy()
