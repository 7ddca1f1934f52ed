#!/usr/bin/env python3
"""What a folder, a list or a list of pairs contains besides valid pictures: reported by every command, and one rule for the meaning of a
name."""

import json
import os
import shutil

import harness
from harness import CliTest, faces, image_of, pairs, path, read, read_npy, run, write

PICTURE = "Left out: 2 pictures of a kind that amnet does not read"


def fresh_faces(name):
    shutil.rmtree(path(name), ignore_errors=True)
    shutil.copytree(path(faces()), path(name))
    return name


class LeftOut(CliTest):
    """The same sentences from train, check-data, pack and extract."""

    @classmethod
    def setUpClass(cls):
        fresh_faces("plain")
        root = fresh_faces("mixed")
        write(f"{root}/id_00003/a.avif", b"x")
        write(f"{root}/id_00003/b.HEIC", b"x")
        write(f"{root}/id_00003/notes.txt", b"x")
        write(f"{root}/id_00003/._id_00003_0001.jpg", b"x")
        write(f"{root}/id_00004/more/1.jpg", b"x")
        write(f"{root}/nobody/readme.md", b"x")
        write("leave.txt", "id_00005\nnobody else\n")
        cls().train("run", without=["--train-list"])

    def commands(self, root):
        flags = ["--root", root]
        return {
            "check-data": ["check-data", *flags, "--exclude", "leave.txt"],
            "pack": ["pack", *flags, "--exclude", "leave.txt", "--out", "mixed.pack"],
            "extract": ["extract", "--model", "run", *flags, "--out", "mixed.npy"],
        }

    def told(self, command, arguments, *sentences):
        result = run(*arguments)
        self.assertEqual(result.code, 3 if command == "check-data" else 0, repr(result))
        for sentence in sentences:
            self.assertIn(sentence, result.err + result.out, command)

    def test_every_command_tells_the_same(self):
        sentences = [f"{PICTURE} (convert to JPEG, PNG or WebP), such as id_00003/a.avif",
                     "Left out: 1 picture not directly in a person's folder, such as id_00004/more/1.jpg",
                     "Left out: 1 folder within people's folders, such as id_00004/more",
                     "Left out: 1 person without a picture that can be used: nobody",
                     "Ignored 3 files that are no images, such as id_00003/notes.txt",
                     "Ignored 1 hidden file, such as id_00003/._id_00003_0001.jpg"]  # fmt: skip
        exclusions = ["Left out: 6 images of 1 identities named in leave.txt",
                      "Names to leave out that no image belongs to: nobody else"]  # fmt: skip
        for command, arguments in self.commands("mixed").items():
            with self.subTest(command=command):
                self.told(command, arguments, *sentences, *(exclusions if "--exclude" in arguments else []))
        self.train("told", "--root", "mixed", "--exclude", "leave.txt", without=["--train-list"])
        for sentence in sentences + exclusions:
            self.assertIn(sentence, read("told/train.log"))

    def test_lists_and_packs_tell_who_was_excluded(self):
        self.ok("pack", "--root", "faces", "--out", "faces.pack")
        for images in [["--root", "faces", "--train-list", "faces/list.txt"], ["--pack", "faces.pack"]]:
            result = self.ok("check-data", *images, "--exclude", "leave.txt")
            self.assertIn("no image belongs to: nobody else", result.err + result.out)

    def test_check_data_fails_for_pictures_alone(self):
        good = fresh_faces("look")
        self.assertNotIn("look like", self.ok("check-data", "--root", good).out)
        write("look/id_00003/notes.txt", b"x")
        write("look/id_00003/._a.jpg", b"x")
        self.ok("check-data", "--root", good)
        for name in ["id_00003/a.tif", "id_00003/a.GIF", "id_00003/a.heif", "id_00003/deep/er/a.jpg", "a.jpg", "nobody/a.avif", "id_00003/photo"]:
            with self.subTest(name=name):
                write(f"look/{name}", b"\xff\xd8\xff\xe0")
                result = run("check-data", "--root", good)
                self.assertEqual(result.code, 3, repr(result))
                self.assertRegex(result.out, r"72 good.*, 1 left out that looks like a picture")
                self.assertIn(name, result.out + result.err)
                os.remove(path("look", name))
        shutil.rmtree(path("look/nobody"))
        shutil.rmtree(path("look/id_00003/deep"))
        self.ok("check-data", "--root", good)

    def test_a_folder_of_nothing_that_is_read(self):
        write("apples/ann/a.heic", b"x")
        write("apples/bob/a.heic", b"x")
        self.refused(3, ["check-data", "--root", "apples"], "apples", "2 others, such as ann/a.heic")
        self.refused(3, ["check-data", "--root", "faces/id_00000"], "holds no images in sub-folders", "pass --root faces")

    def test_hidden_files_are_no_images(self):
        root = fresh_faces("mac")
        for i in range(12):
            write(f"{root}/id_{i:05}/._id_{i:05}_0001.jpg", b"\0\5\x16\7")
            write(f"{root}/id_{i:05}/.DS_Store", b"x")
        self.ok("check-data", "--root", root)
        self.train("mac_run", "--root", root, without=["--train-list"])
        self.assert_same("mac_run", "run", files=("model.safetensors",))
        self.ok("extract", "--model", "run", "--root", root, "--out", "mac.npy")
        self.assertEqual(len(read_npy("mac.npy")), 72)


class Names(CliTest):
    """The meaning of a name in a list of pairs, in a folder and in its pack."""

    @classmethod
    def setUpClass(cls):
        faces()
        write("few.txt", "2\t1\n\nid_00000\t1\t2\n \nid_00000\t1\tid_00001\t2\n\r\nid_00003\t1\t2\nid_00002\t1\tid_00003\t2\n\n")
        cls().train("run2")

    def rename(self, root, old, new):
        os.rename(path(root, old), path(root, new))

    def evaluate(self, images, pairs="few.txt"):
        self.ok("eval", "--model", "run2", "--pairs", pairs, *images, "--json", "names.json")
        return json.loads(read("names.json"))

    def test_any_ending_in_any_case_is_one_rule(self):
        wanted = self.evaluate(["--root", "faces"])
        root = fresh_faces("cased")
        for image, ending in [((0, 0), "JPG"), ((0, 1), "Jpeg"), ((1, 1), "JFIF"), ((3, 0), "PNG"), ((2, 0), "jpe")]:
            self.rename(root, image_of(*image), image_of(*image)[:-3] + ending)
        self.assertEqual(self.evaluate(["--root", root]), wanted)
        self.ok("check-data", "--root", root)
        self.ok("pack", "--root", root, "--out", "cased.pack")
        self.assertEqual(self.evaluate(["--pack", "cased.pack"]), wanted)
        self.train("cased_run", "--root", root, "--val-pairs", "few.txt", "--val-root", root, without=["--train-list"])

    def test_of_several_the_first_of_the_table_counts(self):
        wanted = self.evaluate(["--root", "faces"])
        root = fresh_faces("twice")
        stem = image_of(0, 0)[:-4]
        other = read("faces/" + image_of(7, 0), "rb")
        for ending in ["png", "JPG", "jpeg", "bmp"]:  # .jpg comes first, and its spelling in lower case
            write(f"{root}/{stem}.{ending}", other)
        self.assertEqual(self.evaluate(["--root", root]), wanted)
        self.ok("pack", "--root", root, "--out", "twice.pack")
        self.assertEqual(self.evaluate(["--pack", "twice.pack"]), wanted)
        os.remove(path(root, stem + ".jpg"))
        self.assertNotEqual(self.evaluate(["--root", root])["thresholds"], wanted["thresholds"])

    def test_a_person_is_a_name_to_the_letter(self):
        root = fresh_faces("letters")
        self.rename(root, "id_00003", "ID_00003")
        self.ok("pack", "--root", root, "--out", "letters.pack")
        for images in [["--root", root], ["--pack", "letters.pack"]]:
            self.refused(3, ["eval", "--model", "run2", "--pairs", "few.txt", *images],
                         "few.txt:7:", "id_00003/id_00003_0001.jpg", "there is `ID_00003/id_00003_0001.jpg`")  # fmt: skip

    def test_blank_lines_and_names_with_spaces(self):
        root = fresh_faces("spaced")
        os.makedirs(path(root, "Ann Mary Lee"))
        for i in range(2):
            shutil.copy(path("faces", image_of(5, i)), path(root, f"Ann Mary Lee/Ann Mary Lee_{i + 1:04}.jpg"))
        write("spaced.txt", "2\t1\nAnn Mary Lee\t1\t2\nAnn Mary Lee\t1\tid_00001\t2\n\nid_00003\t1\t2\nid_00002\t1\tid_00003\t2\n")
        self.evaluate(["--root", root], "spaced.txt")
        self.refused(3, ["eval", "--model", "run2", "--pairs", "spaced.txt", "--root", "faces"], "faces/Ann Mary Lee/Ann Mary Lee_0001.jpg")
        write("blanks.txt", "2\t1\nid_00000 1 2\nAnn Mary Lee 1 id_00001 2\n")
        self.refused(3, ["eval", "--model", "run2", "--pairs", "blanks.txt", "--root", root], "blanks.txt:3:",
                     "`Ann Mary Lee 1 id_00001 2`", "tabs")  # fmt: skip
        write("blanks.txt", "2\t1\nid_00000 1 2\nAnn Lee 1 2\n")
        self.refused(3, ["eval", "--model", "run2", "--pairs", "blanks.txt", "--root", root], "blanks.txt:3:", "`Ann Lee 1 2`", "tabs")
        write("unlabelled.txt", "Ann Mary Lee/my photo 1.jpg\n")
        self.refused_training(3, ["--train-list", "unlabelled.txt"], "unlabelled.txt:1:", "`Ann Mary Lee/my photo 1.jpg`")
        # extract takes lists without labels: a name with spaces is not cut where the file is
        # missing.
        self.refused(3, ["extract", "--model", "run2", "--root", "faces", "--list", "unlabelled.txt", "--out", "x.npy"],
                     "unlabelled.txt:1: faces/Ann Mary Lee/my photo 1.jpg")  # fmt: skip
        write("labelled.txt", "Ann Mary Lee/my photo.jpg 12\n")
        self.refused(3, ["extract", "--model", "run2", "--root", "faces", "--list", "labelled.txt", "--out", "x.npy"],
                     "labelled.txt:1: faces/Ann Mary Lee/my photo.jpg is not there")  # fmt: skip


class OddPaths(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        cls().train("run3")

    def test_lists_of_other_systems_get_a_hint(self):
        image = image_of(0, 0)
        cases = {
            image.replace("/", "\\"): f"write `{image}`",
            f'"{image}"': "without quotes",
            "C:\\faces\\" + image.replace("/", "\\"): "`C:`",
            "d:/faces/" + image: "`d:`",
            "file:///faces/" + image: "file://",
            "faces/" + image: "it is there under .",
            image[:-3] + "png": f"there is `{image}`",
        }
        for odd, hint in cases.items():
            with self.subTest(odd=odd):
                write("odd.txt", f"{image_of(1, 0)} 0\n{odd} 1\n{image_of(2, 0)} 1\n")
                self.refused(3, ["extract", "--model", "run3", "--root", "faces", "--list", "odd.txt", "--out", "x.npy"], "odd.txt:2:", hint)
                self.refused_training(3, ["--train-list", "odd.txt"], "odd.txt:2:", hint)
                result = run("check-data", "--root", "faces", "--train-list", "odd.txt")
                self.assertEqual(result.code, 3, repr(result))
                self.assertIn(hint, result.out)

    def test_paths_of_the_command_line_too(self):
        self.refused(3, ["check-data", "--root", "C:\\faces"], "C:\\faces", "Windows drive")
        self.refused(3, ["check-data", "--root", "my\\faces"], "backslashes", "`my/faces`")
        self.refused(3, ["check-data", "--root", "'faces'"], "quotes")
        self.refused(3, ["check-data", "--root", "faces", "--train-list", "~/list.txt"], "`~`")
        self.refused(3, ["check-data", "--pack", "file:///x.pack"], "file://")
        self.refused(3, ["eval", "--model", "run3", "--pairs", "a\\pairs.txt", "--root", "faces"], "backslashes")
        self.refused(4, ["eval", "--model", "runs\\a", "--pairs", "pairs.txt", "--root", "faces"], "`runs/a`")


if __name__ == "__main__":
    harness.main()
