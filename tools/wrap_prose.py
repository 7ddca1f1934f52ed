#!/usr/bin/env python3
"""Keeps prose within 100 columns: Markdown, and comments of C++, Python, CMake and shell. Code has clang-format's limit.

    wrap_prose.py FILE...           wraps lines that are wider
    wrap_prose.py --check FILE...   lists them, and ends with 1

What cannot be wrapped is left alone: tables, code in fences and in examples (three spaces after the comment's sign), and single words
such as addresses. A comment at the end of a line that is too wide is moved above the line.
"""
import argparse
import re
import sys
from pathlib import Path

from amalgamate import tokens_and_comments

WIDTH = 100
LIST = re.compile(r"(?:[-*+]|\d+[.)]) +")
# A word, or several that stay together: code, and the text of a link.
WORD = re.compile(r"(?:`[^`\n]+`|!?\[[^\]\n]*\]\([^)\n]*\)|[^\s`\[]|[`\[])+")


def wrapped(text, first, rest, width=WIDTH):
    """Lines of at most `width` columns where words allow it: the first begins with `first`, the others with `rest`."""
    lines, line = [], ""
    for word in WORD.findall(text):
        start = rest if lines else first
        # A line of Markdown that begins with one of these would have another meaning.
        stays = re.match(r"(?:[-*+#>|=]+|\d+[.)])$", word)
        if line and not stays and len(start) + len(line) + 1 + len(word) > width:
            lines.append(start + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append((rest if lines else first) + line)
    return [line.rstrip() for line in lines]


def paragraphs(lines, is_fixed):
    """Groups of lines that are wrapped as one, and single lines that stay: (text of the lines, whether they stay)."""
    group = []
    for line in lines:
        if is_fixed(line):
            if group:
                yield group, False
            yield [line], True
            group = []
        elif group and LIST.match(line.lstrip()):
            yield group, False
            group = [line]
        else:
            group.append(line)
    if group:
        yield group, False


def wrap_group(group, margin):
    """The lines of a paragraph, each without its margin, wrapped where one of them is too wide."""
    if all(len(margin) + len(line) <= WIDTH for line in group):
        return [(margin + line).rstrip() for line in group]
    indent = re.match(r" *", group[0]).group()
    marker = LIST.match(group[0].lstrip())
    hang = indent + " " * (len(marker.group()) if marker else 0)
    # A paragraph in a list keeps the indentation of its second line.
    if marker is None and len(group) > 1:
        hang = re.match(r" *", group[1]).group()
    elif marker is not None and len(group) > 1 and group[1].startswith(" "):
        hang = re.match(r" *", group[1]).group()
    text = " ".join(line.strip() for line in group)
    if marker is not None:
        text = text[len(marker.group()):]
    return wrapped(text, margin + indent + (marker.group() if marker else ""), margin + hang)


def wrap_markdown(text):
    out, paragraph, fence = [], [], None

    def flush():
        for group, stays in paragraphs(paragraph, lambda line: False):
            out.extend(wrap_group(group, ""))
        paragraph.clear()

    for line in text.split("\n"):
        mark = re.match(r" *(```|~~~)", line)
        if mark or fence:
            flush()
            out.append(line)
            if mark:
                fence = None if fence else mark.group(1)
        elif not line.strip() or re.match(r" *(\||#|<|>)|    |\[[^\]]+\]: ", line) and not (paragraph and line.startswith("    ")):
            flush()
            out.append(line)
        else:
            paragraph.append(line)
    flush()
    return "\n".join(out)


def wrap_block(lines, indent, sign):
    """A block of comment lines that stand below each other, each without indentation and sign."""
    def is_fixed(line):
        return not line.strip() or re.match(r"   +\S|\t", line) or line.startswith(("!", "-----")) or re.match(r" *(\||----|====)", line)

    out = []
    for group, stays in paragraphs(lines, is_fixed):
        if stays:
            out.append((indent + sign + group[0]).rstrip())
        else:
            # One space follows the sign.
            out.extend(wrap_group([line[1:] if line.startswith(" ") else line for line in group],
                                  indent + sign + (" " if group[0].startswith(" ") else "")))
    return out


def wrap_lines(lines, comment_of):
    """`comment_of(number, line)`: (indentation, sign, text) of a line that is a comment; None of another."""
    out, block, style = [], [], None

    def flush():
        if block:
            out.extend(wrap_block(block, *style))
            block.clear()

    for number, line in enumerate(lines):
        found = comment_of(number, line)
        if found is None or (found[0], found[1]) != style:
            flush()
        if found is None:
            style = None
            out.append(line)
        else:
            style = found[0], found[1]
            block.append(found[2])
    flush()
    return out


def wrap_cpp(text):
    # First, comments at the end of lines that are too wide go above them.
    lines, starts, position = text.split("\n"), [], 0
    for line in lines:
        starts.append(position)
        position += len(line) + 1
    ends = {}  # number of a line: column where its comment begins
    inside = set()  # numbers of lines that a raw string touches: the place above them is inside it
    for token in tokens_and_comments(text):
        first = text.count("\n", 0, token.begin)
        if token.kind == "comment" and token.text.startswith("//"):
            ends[first] = token.begin - starts[first]
        elif token.kind == "raw":
            inside.update(range(first, text.count("\n", 0, token.end) + 1))
    moved = []
    full = set()
    for number, line in enumerate(lines):
        at = ends.get(number)
        if at is None or number in inside:
            moved.append(line)
            continue
        code, comment = line[:at], line[at:]
        if not code.strip():
            full.add(len(moved))
            moved.append(line)
        elif len(line) > WIDTH and not code.rstrip().endswith("\\"):
            full.add(len(moved))
            sign = "/// " if comment.startswith("///<") else "// "
            moved += [re.match(r" *", line).group() + sign + comment.lstrip("/< "), code.rstrip()]
        else:
            moved.append(line)

    def comment_of(number, line):
        found = re.match(r"( *)(///?)(?!/)(.*)$", line) if number in full else None
        return found.groups() if found else None

    return "\n".join(wrap_lines(moved, comment_of))


def wrap_hash(text):
    """Python, CMake and shell: whole lines that are comments."""
    quoted = set()
    if '"""' in text:  # a docstring may hold lines that look like comments
        open_ = False
        for number, line in enumerate(text.split("\n")):
            if open_ or '"""' in line:
                quoted.add(number)
            open_ ^= line.count('"""') % 2 == 1

    def comment_of(number, line):
        found = re.match(r"( *)(#)(?!!)(.*)$", line) if number not in quoted else None
        return found.groups() if found else None

    return "\n".join(wrap_lines(text.split("\n"), comment_of))


def wrap(path, text):
    if path.suffix == ".md":
        return wrap_markdown(text)
    return wrap_cpp(text) if path.suffix in (".h", ".cpp", ".cu") else wrap_hash(text)


def main():
    parser = argparse.ArgumentParser(prog="wrap_prose.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 where something is too wide")
    parser.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args()
    wide = 0
    for path in arguments.files:
        text = path.read_text(encoding="utf-8")
        right = wrap(path, text)
        if right == text:
            continue
        wide += 1
        if arguments.check:
            for number, (is_line, should) in enumerate(zip(text.split("\n"), right.split("\n")), 1):
                if is_line != should:
                    print(f"{path}:{number}: prose wider than {WIDTH} columns; ./run format wraps it")
                    break
        else:
            # Written next to it and then renamed: the file may be a script that is running.
            beside = path.with_name(path.name + ".wrapped")
            beside.write_text(right, encoding="utf-8")
            beside.chmod(path.stat().st_mode)
            beside.replace(path)
    return 1 if arguments.check and wide else 0


if __name__ == "__main__":
    sys.exit(main())
