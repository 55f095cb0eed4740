"""What transformers makes of exported directories; runs in `make bench-env`'s Python.

Standard input is a JSON list of jobs, dictionaries with:

  directory   the export
  texts       list of texts, or of pairs of texts
  only_ids    whether only the tokenizer is loaded
  attentions  whether the attention of each layer is computed

The file that the command line names becomes a JSON list of answers, in this order:

  ids, segments, mask   as the tokenizer makes them, truncated, one list per text
  logits                lists of floats
  pipeline              a list of {"label": ..., "score": ...} for each text
  keys                  missing and unexpected names of weights, one list
  attentions            if asked for, [layers, N, S, S] for each text
"""

import json
import sys

import torch
import transformers


def encode(tokenizer, texts):
    """What the tokenizer makes of texts or pairs, each by itself, without padding."""
    encoded = [
        tokenizer(*([text] if isinstance(text, str) else text), truncation=True)
        for text in texts
    ]
    return {
        "ids": [one["input_ids"] for one in encoded],
        "segments": [one["token_type_ids"] for one in encoded],
        "mask": [one["attention_mask"] for one in encoded],
    }


def answer(job):
    directory, texts = job["directory"], job["texts"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    found = encode(tokenizer, texts)
    if job.get("only_ids"):
        return found
    wants_attentions = job.get("attentions", False)
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory,
        output_loading_info=True,
        output_attentions=wants_attentions,
        # Other implementations never have the probabilities.
        attn_implementation="eager" if wants_attentions else None,
    )
    found["keys"] = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    found["logits"], found["attentions"] = [], []
    with torch.inference_mode():
        for row in zip(found["ids"], found["segments"], found["mask"]):
            ids, segments, mask = (torch.tensor([values]) for values in row)
            outputs = model(input_ids=ids, token_type_ids=segments, attention_mask=mask)
            found["logits"].append(outputs.logits[0].tolist())
            if wants_attentions:
                layers = [layer[0].tolist() for layer in outputs.attentions]
                found["attentions"].append(layers)
    classify = transformers.pipeline("text-classification", directory)
    asked = [
        text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]}
        for text in texts
    ]
    found["pipeline"] = [classify(one, truncation=True, top_k=None) for one in asked]
    return found


def main(path):
    answers = [answer(job) for job in json.load(sys.stdin)]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(sys.argv[1])
