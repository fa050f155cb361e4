"""The rivals from the command line: what `snn-bench` starts.

    python run.py check --case FILE
    python run.py export --case FILE --batch N --onnx FILE
    python run.py models --rival NAME --case FILE --onnx FILE --batch N --threads N --answer FILE
    python run.py lif --rival NAME --case FILE --threads N --answer FILE
    python run.py hamming --rival NAME --case FILE --threads N --answer FILE
    python run.py synapses --rival NAME --case FILE --threads N --answer FILE
    python run.py codes --rival NAME --case FILE --threads N --answer FILE
    python run.py decode --rival NAME --case FILE --form wta|softmax --threads N --answer FILE
    python run.py scores --rival NAME --case FILE --mechanism NAME --threads N --answer FILE
    python run.py attention --rival NAME --case FILE --heads N [--neuron] --threads N --answer FILE

The last eight serve: see `serve.py`.
"""
import argparse
import os

from serve import keep_memory, serve


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "export", "models", "lif", "synapses", "codes", "attention", "scores", "decode", "hamming"])
    for text in ["rival", "case", "onnx", "form", "mechanism", "answer"]:
        parser.add_argument(f"--{text}")
    for number in ["batch", "threads", "heads"]:
        parser.add_argument(f"--{number}", type=int, default=1)
    parser.add_argument("--neuron", action="store_true")
    a = parser.parse_args()
    # Read by the thread pools when they are loaded.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(a.threads)
    keep_memory()
    if a.command in ("check", "export"):
        import models

        if a.command == "check":
            print(models.check(a.case))
        else:
            models.export(a.case, a.batch, a.onnx)
        return

    def prepare():
        if a.command == "models":
            from models import prepare

            return prepare(a.rival, a.case, a.onnx, a.batch, a.threads)
        if a.command == "lif":
            from lif import prepare

            return prepare(a.rival, a.case, a.threads)
        if a.command == "hamming":
            from hamming import prepare

            return prepare(a.rival, a.case, a.threads)
        if a.command == "synapses":
            from synapses import prepare

            return prepare(a.rival, a.case, a.threads)
        if a.command == "codes":
            from codes import prepare

            return prepare(a.rival, a.case, a.threads)
        if a.command == "decode":
            from decode import prepare

            return prepare(a.rival, a.case, a.form, a.threads)
        if a.command == "scores":
            from scores import prepare

            return prepare(a.rival, a.case, a.mechanism, a.threads)
        from attention import prepare

        return prepare(a.rival, a.case, a.heads, a.neuron, a.threads)

    serve(prepare, a.answer)


if __name__ == "__main__":
    main()
