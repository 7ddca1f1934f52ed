#!/usr/bin/env python3
"""Properties of image files: Exif's orientation, a decoder's warnings, WebP, and the formats that are refused by name (exit codes 0 and 3)."""

import base64
import os
import re
import shutil
import struct
import zlib

import harness
from harness import CliTest, faces, image_of, path, read, read_npy, run, write

WEBP = base64.b64decode("UklGRlYAAABXRUJQVlA4TEoAAAAvX8AbADdApG1TfHT/KieHINumTMM60HkHcP5j6QQ6jABFkSQ1F0BAUoAFLGABC/hXceFNiuj/BDRt8t+PunaY1r1p"
                        "aadpBPF/Cg==")  # fmt: skip


def jpeg():
    return read(f"faces/{image_of(0, 0)}", "rb")


def tiff(orientation):
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_exif(data, orientation):
    segment = b"Exif\0\0" + tiff(orientation)
    return data[:2] + struct.pack(">HH", 0xFFE1, len(segment) + 2) + segment + data[2:]


def pixel(y, x):
    return bytes(((y * 2 + x) % 256, (x * 2) % 256, (y * x // 8) % 256))


def png(rows, orientation=None):
    """A file from rows of pixels of three bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    exif = chunk(b"eXIf", tiff(orientation)) if orientation else b""
    data = zlib.compress(b"".join(b"\0" + b"".join(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + exif + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def as_stored(seen, orientation):
    """The rows that a file stores so that they appear as `seen` when the orientation is applied."""
    if orientation >= 5:
        seen = [list(row) for row in zip(*seen)]  # rows are columns
    undo = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}
    flip_rows, flip_columns = undo[orientation]
    if flip_rows:
        seen = seen[::-1]
    if flip_columns:
        seen = [row[::-1] for row in seen]
    return seen


def scan_ends(data):
    """Where the header of the first scan begins and the last scan ends."""
    return data.index(b"\xff\xda"), len(data) - 2


class ImageFiles(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()

    def list_of(self, files):
        """A folder `odd` of these files and nothing else, and its list."""
        shutil.rmtree(path("odd"), ignore_errors=True)
        for name, data in files.items():
            write(f"odd/{name}", data)
        return write("odd.txt", "".join(f"{name} {i % 2}\n" for i, name in enumerate(files)))

    def check(self, files):
        return run("check-data", "--root", "odd", "--train-list", self.list_of(files))

    def features(self, files):
        self.list_of(files)
        self.ok("extract", "--model", "m", "--root", "odd", "--list", "odd.txt", "--out", "features.npy", "--threads", 1)
        return read_npy("features.npy")

    def test_a_network_sees_every_orientation_as_a_viewer_does(self):
        if not os.path.exists(path("m")):
            self.train("m")
        seen = [[pixel(y, x) for x in range(96)] for y in range(112)]
        files = {"plain.png": png(seen)}
        for orientation in range(1, 9):
            files[f"{orientation}.png"] = png(as_stored(seen, orientation), orientation)
        rows = self.features(files)
        for orientation in range(1, 9):
            self.assertEqual(rows[orientation], rows[0], orientation)
        photo = self.features({"plain.jpg": jpeg(), "up.jpg": with_exif(jpeg(), 1), "down.jpg": with_exif(jpeg(), 3)})
        self.assertEqual(photo[1], photo[0])
        self.assertNotEqual(photo[2], photo[0])

    def test_the_size_is_that_of_the_turned_image(self):
        checked = self.check({"upright.jpg": with_exif(jpeg(), 3), "lying.jpg": with_exif(jpeg(), 6)})
        self.assertEqual(checked.code, 3)
        self.assertIn("lying.jpg is 96x112 pixels", checked.out)
        self.assertIn("1 good, 0 unreadable, 0 damaged, 1 of the wrong size", checked.out)
        packed = run("pack", "--root", "odd", "--train-list", "odd.txt", "--out", "odd.pack")
        self.assertEqual(packed.code, 3, repr(packed))
        self.assertIn("lying.jpg is 96x112 pixels", packed.err)

    def test_a_warning_that_leaves_the_pixels_whole_is_counted(self):
        if not os.path.exists(path("m")):
            self.train("m")
        data = jpeg()
        odd = {
            "good.jpg": data,
            "before_end.jpg": data[:-2] + b"\0" * 40 + data[-2:],
            "between.jpg": data[:2] + b"some text" + data[2:],
        }
        checked = self.check(odd)
        self.assertEqual(checked.code, 0, repr(checked))
        self.assertIn("2 with a decoder's warning, pixels whole\n", checked.out)
        rows = self.features(odd)
        self.assertTrue(rows[0] == rows[1] == rows[2])

    def test_a_cut_file_stays_an_error(self):
        begin, end = scan_ends(jpeg())
        cuts = [begin + (end - 16 - begin) * i // 99 for i in range(100)]
        checked = self.check({f"{i}.jpg": jpeg()[:cut] + b"" for i, cut in enumerate(cuts)})
        self.assertEqual(checked.code, 3)
        self.assertIn("0 good, 0 unreadable, 100 damaged", checked.out)

    def test_webp_is_read_and_other_formats_are_refused_by_name(self):
        checked = self.check({"a.webp": WEBP, "b.jpg": jpeg()})
        self.assertEqual(checked.code, 0, repr(checked))
        self.assertIn(" 2 good", checked.out)
        foreign = {
            "a.avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "an AVIF file"),
            "b.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC file"),
            "c.tif": (b"II*\0\x08\0\0\0\0\0", "a TIFF file"),
            "d.gif": (b"GIF89a\1\0\1\0\0\0\0", "a GIF file"),
            "e.jpg": (b"\xff\x0a\x11\x22", "a JPEG XL file"),
            "f.jpg": (b"8BPS\0\1", "a PSD file"),
        }
        checked = self.check({name: data for name, (data, _) in foreign.items()})
        self.assertEqual(checked.code, 3)
        for name, (_, format_name) in foreign.items():
            self.assertRegex(checked.out, rf"odd/{re.escape(name)} is {format_name}, which amnet does not read; convert it to JPEG, PNG or WebP\.\n")


if __name__ == "__main__":
    harness.main()
