#!/usr/bin/env python3
"""Mines lexicon.toml: word weights beside the hand-written rules, by logistic regression on the labelled mails.

The votes of the rules stand as they are and the words learn what the rules leave over. Every fifth mail is
held back and never read here. Needs numpy and scipy, for whoever mines; nothing at run time.

    CLASSIFIER_EVIDENCE=/tmp/evidence.jsonl cargo test --lib print_figures -- --ignored
    config/classifier/mine.py /tmp/evidence.jsonl > config/classifier/lexicon.toml
"""
import json
import sys
from collections import Counter

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

KEEP = 0.6        # weights smaller than this are noise
SEEN_IN = 3       # a word must stand in this many mails, so that no name and no single story gets in
PULL = {"category": 0.004, "sensitivity": 0.006}   # of every weight towards zero
DISCOUNT = 0.5    # the rules were written with the same mails in view: their votes are too good here


def rarity(mails, stems):
    counted = Counter(stem for mail in mails for stem in mail["stems"])
    return np.array([np.log((len(mails) + 1) / (counted[s] + 1)) + 1 for s in stems] + [1.0])


def matrix(mails, stems):
    index = {stem: at for at, stem in enumerate(stems)}
    rows = np.zeros((len(mails), len(stems) + 1))
    for row, mail in zip(rows, mails):
        row[-1] = 1.0
        scale = 1.0 / max(1, len(mail["stems"])) ** 0.5
        for stem in mail["stems"]:
            if stem in index:
                row[index[stem]] = scale
    return rows


def fit(x, labels, offset, pull):
    """Weights (features x classes) of a softmax on top of `offset`; the last feature is the bias."""
    classes = offset.shape[1]
    one_hot = np.eye(classes)[labels]

    def loss(flat):
        w = flat.reshape(x.shape[1], classes)
        log_p = log_softmax(x @ w + offset, axis=1)
        held = pull * 0.5 * (w[:-1] ** 2).sum()
        slope = x.T @ (np.exp(log_p) - one_hot) / len(x)
        slope[:-1] += pull * w[:-1]
        return -(log_p * one_hot).sum() / len(x) + held, slope.ravel()

    start = np.zeros(x.shape[1] * classes)
    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x.reshape(x.shape[1], classes)


def learn(mails, categories):
    counted = Counter(stem for mail in mails for stem in mail["stems"])
    stems = sorted(s for s, n in counted.items() if n >= SEEN_IN + (" " in s) and s.isascii())
    # Rare words may weigh more: they are learned on a larger scale, and their weights taken back from it.
    scale = rarity(mails, stems)
    x = matrix(mails, stems) * scale
    votes = DISCOUNT * np.array([[m["votes"].get(c, 0.0) for c in categories] for m in mails])
    labels = np.array([categories.index(m["category"]) for m in mails])
    by_category = fit(x, labels, votes, PULL["category"]) * scale[:, None]
    # Rules give floors of their own; the words are to find what has no such word, so they learn alone.
    by_level = []
    for levels in (("confidential", "restricted"), ("restricted",)):
        yes = np.array([int(m["sensitivity"] in levels) for m in mails])
        w = fit(x, yes, np.zeros((len(mails), 2)), PULL["sensitivity"])
        by_level.append((w[:, 1] - w[:, 0]) * scale)
    return stems, by_category, by_level


def table(name, stems, weights):
    print(f"\n[{name}]")
    print(f'"*" = {weights[-1]:.2f}')
    for stem, weight in zip(stems, weights):
        if abs(weight) >= KEEP:
            print(f'"{stem}" = {weight:.1f}')


def main():
    mails = [json.loads(line) for line in open(sys.argv[1])]
    mails = [mail for mail in mails if not mail["held_back"]]
    categories = sorted({mail["category"] for mail in mails})
    stems, by_category, by_level = learn(mails, categories)
    print("# Mined by mine.py from examples/train.jsonl without every fifth mail; see docs/classifier.md.")
    print("# Words are cut to six letters. Weights are log-odds before the division by the root of a mail's words.")
    for at, category in enumerate(categories):
        table(f"category.{category}", stems, by_category[:, at])
    table("sensitivity.confidential", stems, by_level[0])
    table("sensitivity.restricted", stems, by_level[1])


if __name__ == "__main__":
    main()
