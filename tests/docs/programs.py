"""Writes the programs of docs/README.md as files: a block that begins with `// program NAME` is one, the block without a name is the
beginning of each.

    programs.py --page docs/README.md --out DIR
"""
import argparse
import re
from pathlib import Path


def programs_of(markdown):
    """{name: source}"""
    blocks = re.findall(r"^```cpp\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    named = {re.match(r"// program (\w+)", block).group(1): block for block in blocks if block.startswith("// program ")}
    beginning, = (block for block in blocks if not block.startswith("// program "))
    return {name: beginning + "\n" + block for name, block in named.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--page", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    for name, source in programs_of(Path(arguments.page).read_text()).items():
        path = Path(arguments.out) / f"{name}.cpp"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != source:
            path.write_text(source)


if __name__ == "__main__":
    main()
