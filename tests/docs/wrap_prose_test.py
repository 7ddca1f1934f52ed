"""tools/wrap_prose.py wraps prose, leaves code alone, and finds nothing to do in what it wrote.

    wrap_prose_test.py
"""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from wrap_prose import WIDTH, wrap  # noqa: E402

LONG = "word " * 25 + "end"


class WrapProse(unittest.TestCase):
    def wrapped(self, name, text):
        once = wrap(Path(name), text)
        self.assertEqual(wrap(Path(name), once), once)
        return once

    def stays(self, name, text):
        self.assertEqual(self.wrapped(name, text), text)

    def test_prose_is_wrapped_and_keeps_its_words(self):
        for name, sign in (("a.h", "  /// "), ("a.py", "# "), ("a.cmake", "# "), ("a.md", "")):
            with self.subTest(name=name):
                lines = self.wrapped(name, sign + LONG + "\n").splitlines()
                self.assertEqual(len(lines), 2)
                self.assertLessEqual(max(map(len, lines)), WIDTH)
                self.assertTrue(all(line.startswith(sign) for line in lines))
                self.assertEqual(" ".join(line[len(sign):] for line in lines), LONG)

    def test_a_comment_behind_code_goes_above_it(self):
        self.assertEqual(self.wrapped("a.cpp", "  int a;  ///< " + "word " * 20 + "end\n"),
                         "  /// " + "word " * 18 + "word\n  /// word end\n  int a;\n")
        self.stays("a.cpp", "  int a;  ///< short\n")

    def test_items_of_a_list_hang(self):
        lines = self.wrapped("a.md", "- " + LONG + "\n- second\n").splitlines()
        self.assertTrue(lines[1].startswith("  word"))
        self.assertEqual(lines[2], "- second")

    def test_what_is_no_prose_stays(self):
        wide = "x" * 60 + " " + "y" * 60
        self.stays("a.md", f"```\n{wide}\n```\n")
        self.stays("a.md", f"| {wide} |\n|---|\n")
        self.stays("a.h", f"//   {wide}\n")
        self.stays("a.cpp", f"{wide}\n")
        self.stays("a.cpp", f'const char* text = R"(\n// {wide}\n)";\n')
        # A comment above this line would be inside the string.
        self.stays("a.cpp", f'const char* text = R"(\n)";  // {LONG}\n')
        self.stays("a.cpp", f'call("http://{"x" * 60}", "{"y" * 60}");\n')
        self.stays("a.py", f'"""\n# {wide}\n"""\n')
        self.stays("a.md", "x" * 120 + "\n")


if __name__ == "__main__":
    unittest.main()
