"""Exact search for the nearest of many binary codes: codes in, distances out."""

# As in `inputs.rs`.
CODES, NEIGHBORS = 1_000_000, 10


def prepare(rival, case, threads):
    """`(about, run)` of one rival; the codes of the case are followed by the queries."""
    import faiss
    import numpy
    from safetensors import safe_open

    assert rival == "faiss", rival
    faiss.omp_set_num_threads(threads)
    with safe_open(case, "np") as file:
        bits = int(file.metadata()["bits"])
        packed = file.get_tensor("codes").view(numpy.uint8)  # little-endian words
    packed = numpy.ascontiguousarray(packed[:, : bits // 8])
    index = faiss.IndexBinaryFlat(bits)
    index.add(packed[:CODES])
    queries = packed[CODES:]

    def run():
        distances, _ = index.search(queries, NEIGHBORS)
        return distances.astype(numpy.float32)

    options = faiss.get_compile_options().strip()
    return f"faiss {faiss.__version__} ({options}), IndexBinaryFlat", run
