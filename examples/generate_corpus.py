"""Generates the demo's paraphrase corpus and its vocabulary.

  python examples/generate_corpus.py

Every pair of sentences is made from a *situation*: a claim about two people that can
be worded in two ways ("Anna helped Ben", "Ben was helped by Anna"), with a time. The
second sentence starts with the time. In a paraphrase nothing else changes. In most
other pairs the two people swap roles, so that which words the sentences share says
little.

The sentences were written for this project. Without arguments, the files in
`examples/paraphrase` are rewritten.
"""

import argparse
import collections
import itertools
import os
import random
import re

SEED = 20
SPLIT_PAIRS = {"dev": 400, "test": 400, "train": 4000}
HELD_OUT_SHARE = 0.1  # Of the situations, for dev and for test each.
# Share of the negative pairs whose sentences are about different people.
OTHER_PEOPLE_SHARE = 0.3

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix")
TIMES = ("last week", "on Friday", "on Monday", "on Sunday", "this morning")
PERIODS = ("these days", "this month", "this year")
ACTIONS = ("called", "followed", "greeted", "helped", "invited", "praised")
ACTIONS += ("thanked", "visited")
COMPARATIVES = (
    ("faster", "slower"),
    ("older", "younger"),
    ("richer", "poorer"),
    ("stronger", "weaker"),
    ("taller", "shorter"),
)
EVENTS = ("arrived", "finished", "left", "sang", "spoke")

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Words left out of the vocabulary, so that WordPiece has something to split.
SPLIT_WORDS = {
    "helped": ("help", "##ed"),
    "shorter": ("short", "##er"),
    "taller": ("tall", "##er"),
    "thanked": ("thank", "##ed"),
    "visited": ("visit", "##ed"),
}

# `wordings` has two ways to say the claim, and two ways to say its opposite, with {0}
# and {1} for the people.
Situation = collections.namedtuple("Situation", "people wordings time")


class Draw(random.Random):
    """Random draws that are the same in every Python version, as only random() is."""

    def choice(self, items):
        return items[int(self.random() * len(items))]

    def shuffle(self, items):
        for last in range(len(items) - 1, 0, -1):
            other = int(self.random() * (last + 1))
            items[last], items[other] = items[other], items[last]


def families():
    """Returns the situations as three lists: actions, comparisons, orders in time."""

    def situations(direct, inverse, times):
        claim = (direct, inverse)
        opposite = tuple(text.format("{1}", "{0}") for text in claim)
        return [
            Situation(people, (claim, opposite), time)
            for people in itertools.combinations(NAMES, 2)
            for time in times
        ]

    actions, comparisons, orders = [], [], []
    for verb in ACTIONS:
        direct, inverse = "{0} %s {1}" % verb, "{1} was %s by {0}" % verb
        actions += situations(direct, inverse, TIMES)
    for more, less in COMPARATIVES:
        direct, inverse = "{0} is %s than {1}" % more, "{1} is %s than {0}" % less
        comparisons += situations(direct, inverse, PERIODS)
    for verb in EVENTS:
        direct, inverse = "{0} %s before {1}" % verb, "{1} %s after {0}" % verb
        orders += situations(direct, inverse, TIMES)
    return actions, comparisons, orders


def deal(draw):
    """Deals each situation to one split, so that no sentence is in two splits.

    Returns:
      Dictionary: name of the split -> list of families, each a list of situations.
    """
    dealt = {split: [] for split in SPLIT_PAIRS}
    for family in families():
        draw.shuffle(family)
        held_out = int(len(family) * HELD_OUT_SHARE)
        dealt["dev"].append(family[:held_out])
        dealt["test"].append(family[held_out : 2 * held_out])
        dealt["train"].append(family[2 * held_out :])
    return dealt


def sentence(situation, opposite, inverse, time_first):
    """Words the claim of a situation, or its opposite, as a sentence."""
    text = situation.wordings[opposite][inverse].format(*situation.people)
    if time_first:
        text = "%s, %s." % (situation.time, text)
    else:
        text = "%s %s." % (text, situation.time)
    return text[0].upper() + text[1:]


def make_pair(family, is_paraphrase, draw):
    """Returns two sentences about situations of one family."""
    situation = draw.choice(family)
    opposite, inverse = draw.random() < 0.5, draw.random() < 0.5
    first = sentence(situation, opposite, inverse, time_first=False)
    if not is_paraphrase:
        others = []
        if draw.random() < OTHER_PEOPLE_SHARE:
            _, wordings, time = situation
            others = [o for o in family if (o.wordings, o.time) == (wordings, time)]
            others.remove(situation)
        if others:
            situation = draw.choice(others)
        else:
            opposite = not opposite
    return first, sentence(situation, opposite, inverse, time_first=True)


def make_split(split_families, count, draw):
    """Returns `count` different (label, first, second), half of each label."""
    labels = {}
    while len(labels) < count:
        is_paraphrase = 2 * sum(labels.values()) <= len(labels)
        pair = make_pair(draw.choice(split_families), is_paraphrase, draw)
        labels.setdefault(pair, int(is_paraphrase))
    rows = [(label, *pair) for pair, label in sorted(labels.items())]
    draw.shuffle(rows)
    return rows


def format_split(split, rows):
    """Returns the text of one split's file; the test split has no labels."""
    is_test = split == "test"
    lead = "index" if is_test else "Quality"
    lines = [(lead, "#1 ID", "#2 ID", "#1 String", "#2 String")]
    for index, (label, first, second) in enumerate(rows):
        lead = index if is_test else label
        lines.append((lead, 2 * index + 1, 2 * index + 2, first, second))
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def format_vocabulary(rows):
    """Returns the text of a vocabulary that covers every word of the rows."""
    tokens = set()
    for _, *sentences in rows:
        for token in re.findall(r"\w+|[^\w\s]", " ".join(sentences).lower()):
            tokens.update(SPLIT_WORDS.get(token, (token,)))
    return "".join(token + "\n" for token in [*SPECIAL_TOKENS, *sorted(tokens)])


def generate(directory):
    """Writes train.tsv, dev.tsv, test.tsv and vocab.txt to an existing directory.

    The files are the same at every call and in every Python version.
    """
    draw = Draw(SEED)
    dealt = deal(draw)
    texts, all_rows = {}, []
    for split, count in SPLIT_PAIRS.items():
        rows = make_split(dealt[split], count, draw)
        texts[split + ".tsv"] = format_split(split, rows)
        all_rows += rows
    texts["vocab.txt"] = format_vocabulary(all_rows)
    for name, text in texts.items():
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def main():
    """Rewrites the corpus next to this file, or in the given directory."""
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--directory", default=os.path.join(here, "paraphrase"))
    generate(parser.parse_args().directory)


if __name__ == "__main__":
    main()
