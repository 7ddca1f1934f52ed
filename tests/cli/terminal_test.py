#!/usr/bin/env python3
"""The progress bar in terminals of any width, also while the width changes: none of its rows stays behind, and no line of the log is
lost."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import harness
from harness import CliTest, faces, finish, start, train_arguments


class Terminal:
    """What a terminal of some width shows: rows of characters, each with a flag whether it continues in the next one.

    `reflows`: whether lines that are too long are wrapped again when the width changes, as most terminals do, or cut, as xterm
    does.
    """

    def __init__(self, columns, reflows):
        self.columns, self.reflows = columns, reflows
        self.rows, self.wrapped = [""], [False]
        self.row = self.column = 0

    def write(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.|\n", text, re.DOTALL):
            if part == "\r":
                self.column = 0
            elif part == "\n":
                self.row, self.column = self.row + 1, 0  # as a tty does for this character
                if self.row == len(self.rows):
                    self.rows.append("")
                    self.wrapped.append(False)
            elif part in ("\x1b[K", "\x1b[J"):
                self.rows[self.row] = self.rows[self.row][: self.column]
                self.wrapped[self.row] = False
                if part == "\x1b[J":
                    del self.rows[self.row + 1 :], self.wrapped[self.row + 1 :]
            elif part.startswith("\x1b"):
                raise AssertionError(f"an unknown command: {part!r}")
            else:
                self.put(part)

    def put(self, character):
        if self.column == self.columns:
            self.wrapped[self.row] = True
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append("")
                self.wrapped.append(False)
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1

    def resize(self, columns):
        if not self.reflows:
            self.rows = [row[:columns] for row in self.rows]
            self.columns, self.column = columns, min(self.column, columns)
            return
        lines, cursor = [""], (0, 0)
        for i, row in enumerate(self.rows):
            if i == self.row:
                cursor = (len(lines) - 1, len(lines[-1]) + self.column)
            lines[-1] += row
            if not self.wrapped[i] and i + 1 < len(self.rows):
                lines.append("")
        self.columns, self.rows, self.wrapped = columns, [], []
        for number, line in enumerate(lines):
            pieces = [line[at : at + columns] for at in range(0, len(line), columns)] or [""]
            if number == cursor[0]:
                self.row, self.column = len(self.rows) + min(cursor[1] // columns, len(pieces) - 1), cursor[1] % columns
            self.rows += pieces
            self.wrapped += [True] * (len(pieces) - 1) + [False]

    def lines(self):
        """The rows; rows that belong to one line are joined."""
        lines = [""]
        for row, wrapped in zip(self.rows, self.wrapped):
            lines[-1] += row
            if not wrapped:
                lines.append("")
        return lines[:-1]


def set_columns(descriptor, columns):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class Bar(CliTest):
    def setUp(self):
        faces()

    def watch(self, columns, arguments, resizes=(), reflows=True, told_columns=None):
        """The contents of the terminal at the end, and how many times the bar was drawn. `resizes` take place after so many redraws
        each."""
        screen, side = pty.openpty()
        set_columns(side, columns if told_columns is None else told_columns)
        terminal = Terminal(columns, reflows)
        process = start(*arguments, stderr=side)
        os.close(side)
        redraws, resizes = 0, list(resizes)
        try:
            while chunk := os.read(screen, 1 << 16):
                text = chunk.decode()
                terminal.write(text.replace("\r\n", "\n"))
                redraws += text.count("\r\x1b[")
                if resizes and redraws >= resizes[0][0]:
                    while select.select([screen], [], [], 0)[0]:  # pending output was made for the old width
                        terminal.write(os.read(screen, 1 << 16).decode().replace("\r\n", "\n"))
                    columns = resizes.pop(0)[1]
                    set_columns(screen, columns)
                    terminal.resize(columns)
        except OSError:  # Linux reports a closed other side like this
            pass
        os.close(screen)
        self.assertEqual(resizes, [], "the command was too quick")
        result = finish(process)
        self.assertEqual(result.code, 0, repr(result))
        return terminal, redraws

    def assert_clean(self, terminal, but=""):
        rows = [row for row in terminal.rows if "[" in row and re.search(r"#|%|training +\[|drawing +\[", row)]
        self.assertEqual(rows, [], f"{but}: rows of the bar stay")

    def test_widths(self):
        for columns in [1, 2, 20, 60, 80, 81, 200]:
            with self.subTest(columns=columns):
                out = f"synth-{columns}"
                terminal, _ = self.watch(columns, ["synth", "--out", out, "--identities", 40, "--images", 10])
                self.assertEqual("".join(terminal.rows).strip(), "")
                self.assertLessEqual(len(terminal.rows), 1, terminal.rows)

    def test_a_width_that_is_not_known_is_taken_for_a_usual_one(self):
        terminal, redraws = self.watch(80, ["synth", "--out", "unknown", "--identities", 40, "--images", 10], told_columns=0)
        self.assertGreater(redraws, 0)
        self.assertEqual(terminal.rows, [""])

    def test_a_log_above_a_narrow_bar_is_whole(self):
        for columns in [1, 30, 100]:
            with self.subTest(columns=columns):
                out = f"narrow-{columns}"
                terminal, _ = self.watch(columns, train_arguments(out, "--iterations", 60))
                self.assertEqual("".join(terminal.rows), "".join(harness.read(f"{out}/train.log").splitlines()))

    def test_resizes(self):
        for reflows in [True, False]:
            for resizes in [[(2, 10), (3, 100)], [(1, 50), (2, 20), (3, 70), (4, 5)], [(2, 1)]]:
                with self.subTest(reflows=reflows, resizes=resizes):
                    out = f"resized-{reflows}-{len(resizes)}-{resizes[0][1]}"
                    arguments = ["synth", "--out", out, "--identities", 60, "--images", 40]
                    terminal, redraws = self.watch(100, arguments, resizes, reflows)
                    self.assertGreater(redraws, resizes[-1][0])
                    self.assertEqual("".join(terminal.rows).strip(), "", terminal.rows)


if __name__ == "__main__":
    harness.main()
