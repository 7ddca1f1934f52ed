#!/usr/bin/env python3
"""Splits the people of a training list in two: those to train on, and those whose pairs tell which recipe is better, so that the pairs of the last
evaluation need not be looked at. ./run experiment recipes --help has the search that this is for.

    ./run experiment split train_list.txt --people 220 --out runs/split

writes train_list.txt (the lines of the others, with their paths) and pairs.txt (in the format of LFW's) to --out. The people are drawn evenly over
the list's order, and a pair of different people is one of near neighbours in it, so that lists joined from several sources give each its share and
no pair that its source alone gives away.
"""
import argparse
import random
import re
from pathlib import Path

from running import positive

FOLDS = 10
NEAR = 3  # how far apart in the list two people of a pair may be


def people_of(lines):
    """name -> numbers of images, in the list's order. The paths must end in NAME/NAME_0001.jpg, which the format of pairs asks for."""
    people = {}
    for number, line in enumerate(lines, 1):
        path = line.rsplit(maxsplit=1)[0]
        match = re.fullmatch(r"(?:.*/)?([^/]+)/\1_(\d{4})\.[A-Za-z]+", path)
        if not match:
            raise SystemExit(f"line {number} has the path '{path}', but pairs need paths that end in NAME/NAME_0001.jpg")
        people.setdefault(match[1], []).append(int(match[2]))
    return people


def pairs_of_fold(people, numbers, count, draw):
    """(same, different): count lines of each for these people, who stand in the list's order."""
    same = [(name, a, b) for name in people for i, a in enumerate(numbers[name]) for b in numbers[name][i + 1:]]
    if len(same) < count:
        raise SystemExit(f"a fold of {len(people)} people has {len(same)} pairs of one person, and --pairs asks for {count}")
    # In turns over the people, so that one with many images does not take all.
    draw.shuffle(same)
    turn = {name: 0 for name in people}
    ranked = []
    for pair in same:
        ranked.append((turn[pair[0]], pair))
        turn[pair[0]] += 1
    ranked.sort(key=lambda entry: entry[0])  # stable: the order within a turn stays drawn
    neighbours = [(a, b) for i, a in enumerate(people) for b in people[i + 1:i + 1 + NEAR]]
    if sum(len(numbers[a]) * len(numbers[b]) for a, b in neighbours) < count:
        raise SystemExit(f"a fold of {len(people)} people has fewer pairs of different people than the {count} that --pairs asks for")
    different = set()
    while len(different) < count:
        a, b = draw.choice(neighbours)
        different.add((a, draw.choice(numbers[a]), b, draw.choice(numbers[b])))
    return [pair for _, pair in ranked[:count]], sorted(different)


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="./run experiment split", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", help="lines `path label`")
    parser.add_argument("--people", type=positive, required=True, help="how many do not train")
    parser.add_argument("--pairs", type=positive, default=120, help="of each kind in each of the 10 folds (default: 120)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default: 1)")
    parser.add_argument("--images", help="file with the paths, a line each, of the images that pairs may have (default: all)")
    parser.add_argument("--out", required=True, help="folder for the two files")
    arguments = parser.parse_args()

    lines = Path(arguments.list).read_text().splitlines()
    allowed = set(Path(arguments.images).read_text().splitlines()) if arguments.images else None
    everybody = people_of(lines)
    numbers = people_of([line for line in lines if allowed is None or line.rsplit(maxsplit=1)[0] in allowed])
    candidates = [name for name in everybody if len(numbers.get(name, [])) >= 2]
    if len(candidates) < arguments.people:
        raise SystemExit(f"{len(candidates)} people have two images, and --people asks for {arguments.people}")

    draw = random.Random(arguments.seed)
    stride = len(candidates) / arguments.people
    chosen = [candidates[draw.randrange(int(i * stride), int((i + 1) * stride))] for i in range(arguments.people)]
    folds = [chosen[i::FOLDS] for i in range(FOLDS)]

    text = [f"{FOLDS}\t{arguments.pairs}"]
    for fold in folds:
        same, different = pairs_of_fold(fold, numbers, arguments.pairs, draw)
        text += ["\t".join(map(str, pair)) for pair in [*same, *different]]
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "pairs.txt").write_text("\n".join(text) + "\n")
    apart = set(chosen)
    left = [line for line in lines if name_of(line) not in apart]
    (out / "train_list.txt").write_text("\n".join(left) + "\n")
    print(f"{len(everybody) - len(chosen)} people with {len(left)} images train; {len(chosen)} people are in {2 * FOLDS * arguments.pairs} pairs")


def name_of(line):
    return line.rsplit(maxsplit=1)[0].split("/")[-2]


if __name__ == "__main__":
    main()
