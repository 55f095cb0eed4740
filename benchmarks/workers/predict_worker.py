"""A worker that predicts pairs of texts, one by one: this program's, or transformers'.

The spec has path, the model; pairs, a list; threads, those of one op; and kind:
"predictor", or "pipeline" for an export for transformers.
"""

from concurrent.futures import ThreadPoolExecutor

from benchmarks.workers import serving


def set_up(spec):
    predict, facts = _LOADERS[spec["kind"]](spec["path"], spec["threads"])
    pairs = spec["pairs"]

    def client(start, count):
        for number in range(start, start + count):
            predict(pairs[number % len(pairs)])

    def work(clients, count):
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, range(clients), [count] * clients))

    facts["scores"] = [predict(pair) for pair in pairs[:20]]
    return facts, work


def _load_predictor(path, threads):
    from finetuning.device import backend
    from finetuning.predictor import Predictor

    backend.start()
    import tensorflow.compat.v1 as tf

    predictor = Predictor(path, num_threads=threads)

    def predict(pair):
        return list(predictor.predict([pair])[0].probabilities.values())

    return predict, {"version": "TensorFlow " + tf.__version__}


def _load_pipeline(path, threads):
    import torch
    import transformers

    torch.set_num_threads(threads)
    pipeline = transformers.pipeline("text-classification", path, top_k=None)

    def predict(pair):
        answers = pipeline({"text": pair[0], "text_pair": pair[1]}, truncation=True)
        return [a["score"] for a in sorted(answers, key=lambda a: a["label"])]

    version = "torch %s, transformers %s" % (
        torch.__version__,
        transformers.__version__,
    )
    return predict, {"version": version}


_LOADERS = {"predictor": _load_predictor, "pipeline": _load_pipeline}


if __name__ == "__main__":
    serving.serve(set_up)
