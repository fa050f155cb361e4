"""Attentions that need the score of every query and key, and the linear one on kernel hashes, as
dense matrix products in PyTorch. Heads go one after the other: then their scores stay in the cache.

Ties go to the lowest index, which neither `max` nor `topk` promises: scores are multiplied by the
number of keys, and keys that come earlier get more. Such numbers are exact below 2^24, and the sum
is part of the matrix product.
"""
KEEP = 16
SILENCE = 0.125


def prepare(rival, case, mechanism, threads):
    """`(about, run)` of one rival; the answer is `[heads, tokens, width]`."""
    import torch
    from models import load

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    version = torch.__version__.split("+")[0]
    tensors = {name: torch.from_numpy(x) for name, x in load(case)[1].items()}
    q, k, v = tensors["q"], tensors["k"], tensors["v"]  # [H, N, d]
    tokens, width = k.shape[1:]
    earlier = torch.arange(tokens - 1, -1, -1.0)

    def winner_take_all(q, k, v):
        score, best = torch.addmm(earlier, q * tokens, k.T).max(-1)
        return v[best] * (score >= tokens).unsqueeze(1)

    def top_k(rank, unit, v):
        """Means of values, weighted by `rank / unit` without its fraction."""
        best, keys = rank.topk(KEEP)
        weights = torch.floor(best / unit)
        return (weights.unsqueeze(1) @ v[keys]).squeeze(1) / weights.sum(1, keepdim=True)

    def hamming_top_k(q, k, v):
        # Bits that agree: half of `width + s . s` of codes of -1 and 1.
        q, k = (2 * q - 1) * (tokens / 2), 2 * k - 1
        return top_k(torch.addmm(earlier + tokens * width / 2, q, k.T), tokens, v)

    def xnor_top_k(q, k, v):
        # (1 + a) q . k + a (width - bits of q - bits of k), all times tokens / a: two more columns.
        ones_q, ones_k = q.sum(1, keepdim=True), k.sum(1, keepdim=True)
        one_q, one_k = torch.ones_like(ones_q), torch.ones_like(ones_k)
        q = torch.cat([q * (1 / SILENCE + 1), one_q, width - ones_q], 1) * tokens
        k = torch.cat([k, -ones_k, one_k], 1)
        return top_k(torch.addmm(earlier, q, k.T), tokens, v)

    def kernel_hash(q, k, v):
        q, k = 2 * q - 1, 2 * k - 1
        v = torch.cat([v, torch.ones(tokens, 1)], 1)
        sums = torch.addmm(v.sum(0) * (width + 1), q, k.T @ v)
        return sums[:, :-1] / sums[:, -1:]

    head = {
        "winner-take-all": winner_take_all,
        "hamming-top-k": hamming_top_k,
        "xnor-top-k": xnor_top_k,
        "kernel-hash": kernel_hash,
    }[mechanism]
    about = f"torch {version}, dense"
    if rival == "torch-compile":
        head = torch.compile(head, dynamic=False)
        about += ", compiled"
    return about, lambda: torch.stack([head(*qkv) for qkv in zip(q, k, v)]).numpy()
