"""What the single header needs, and whether the tool that writes it keeps the names that are local to each file apart.

    single_test.py --compiler g++ --header build/release/single/amnet/amnet.h
"""
import argparse
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from amalgamate import Clash, kept_names, with_suffix  # noqa: E402

arguments = None


def headers_read(define):
    """The files that a program with the header reads, as the compiler reports them."""
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "main.cpp"
        main.write_text(f"{define}\n#include <amnet.h>\nint main() {{}}\n")
        told = subprocess.run([arguments.compiler, "-std=c++20", "-M", "-I", str(Path(arguments.header).parent), str(main)],
                              capture_output=True, text=True, check=True).stdout
    return [Path(name).resolve() for name in told.replace("\\\n", " ").split()[2:]]


def system_folders():
    """The folders where a program without the header finds the compiler's and the system's own headers."""
    told = subprocess.run([arguments.compiler, "-std=c++20", "-x", "c++", "-E", "-v", "/dev/null"], capture_output=True, text=True, check=True).stderr
    lines = told.split("#include <...> search starts here:\n")[1].split("End of search list")[0].splitlines()
    return [Path(line.strip()).resolve() for line in lines]


class Header(unittest.TestCase):
    def test_it_reads_three_libraries_and_no_other(self):
        of_others = set()
        for define in ("", "#define AMNET_IMPLEMENTATION"):
            for path in headers_read(define):
                if path == Path(arguments.header).resolve():
                    continue
                folder = next((folder for folder in sorted(system_folders(), key=lambda one: -len(str(one))) if folder in path.parents), None)
                self.assertIsNotNone(folder, f"{path} is none of the compiler's own")
                of_others.add(path.relative_to(folder).parts[0])
        self.assertLessEqual({"fmt", "nlohmann"}, of_others)
        self.assertTrue({"xxhash.h"} <= of_others)
        for other in ("eigen3", "Eigen", "jpeglib.h", "turbojpeg.h", "webp", "stb", "stb_image.h", "CLI", "amnet", "cudnn.h"):
            self.assertNotIn(other, of_others)

    def test_declarations_alone_read_fmt_alone(self):
        read = {part for path in headers_read("") for part in path.parts}
        self.assertIn("fmt", read)
        self.assertNotIn("nlohmann", read)
        self.assertNotIn("xxhash.h", read)

    def test_no_include_of_ours_is_left(self):
        text = Path(arguments.header).read_text()
        self.assertEqual(re.findall(r'^#include (?:"|<amnet/).*', text, re.MULTILINE), [])
        for absent in ("Eigen::", "jpeg_", "cudaStream_t"):
            self.assertNotIn(absent, text)


class Tool(unittest.TestCase):
    def test_what_a_file_keeps_to_itself(self):
        kept = kept_names("""
            #define NOT_THIS(x) namespace { int no; }
            namespace amnet {
            namespace {
            // namespace { int comment; }
            constexpr std::array<int, 3> table = {1, 2, 3};
            enum class Kind : unsigned char { one, two };
            enum { three, four };
            using Json = nlohmann::json;
            namespace fs = std::filesystem;
            struct Row;
            template <class T, int N = 3>
            struct Panel final : Base<T> {
              int member;
              void run() {}
            };
            template <class T>
              requires std::is_integral_v<T>
            [[nodiscard]] inline std::map<T, std::vector<T>> sums_of(const T& value, int (*call)(int)) { return {}; }
            constexpr decltype(Panel<int>::member) of_type() { return 1; }
            bool operator==(const Row&, const Row&);
            const char* text = R"(namespace { int raw; })";
            int counter{0};
            void declared(int);
            }  // namespace
            int seen(int argument) { return argument; }
            }
        """)
        self.assertEqual(kept, {"table", "Kind", "three", "four", "Json", "fs", "Row", "Panel", "sums_of", "of_type", "text", "counter", "declared"})

    def test_uses_get_the_suffix_and_members_do_not(self):
        text = "int f(); int g() { return f() + amnet::f() + other::f() + Row{.f = f()}.h; } // f\n"
        self.assertEqual(with_suffix(text, {"f"}, "_x", "a.cpp"),
                         "int f_x(); int g() { return f_x() + amnet::f_x() + other::f() + Row{.f = f_x()}.h; } // f\n")

    def test_a_name_that_is_a_member_too_is_refused(self):
        for text in ("int f(); int g(Row row) { return row.f; }", "int f(); int g(Row* row) { return row->f; }"):
            with self.assertRaisesRegex(Clash, "a.cpp: 'f' is"):
                with_suffix(text, {"f"}, "_x", "a.cpp")
        self.assertEqual(with_suffix("auto g = [] -> Json { return {}; };", {"Json"}, "_x", "a.cpp"), "auto g = [] -> Json_x { return {}; };")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("compiler", "header"):
        parser.add_argument(f"--{name}", required=True)
    arguments, rest = parser.parse_known_args()
    unittest.main(argv=[__file__, *rest])
