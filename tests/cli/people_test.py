#!/usr/bin/env python3
"""Which people a list or a folder trains on: fewer than two people and labels without images are refused, with a suggestion; --relabel."""

import os
import shutil

import harness
from harness import CliTest, environment, faces, image_of, newest, model, path, read, run, train_arguments, write  # fmt: skip


def copy(image, target):
    os.makedirs(os.path.dirname(path(target)), exist_ok=True)
    shutil.copy(path("faces", image), path(target))


class People(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()

    def refused_folder(self, root, *contents):
        self.refused_training(3, ["--root", root], *contents, without=["--train-list"])
        checked = run("check-data", "--root", root)
        self.assertEqual(checked.code, 3, repr(checked))
        for content in contents:
            self.assertIn(content, checked.out + checked.err)

    def test_a_root_too_high(self):
        for i in range(3):
            copy(image_of(i, 0), f"high/train/p{i}/1.jpg")
            copy(image_of(i, 0), f"higher/data/train/p{i}/1.jpg")
        self.refused_folder("high", "high", "--root high/train")
        self.refused_folder("higher", "--root higher/data/train")
        copy(image_of(4, 0), "high/samples/1.jpg")  # one person, by mistake
        self.refused_folder("high", "one person only (`samples`)", "--root high/train")
        self.refused(3, ["pack", "--root", "higher", "--out", "x.pack"], "--root higher/data/train")

    def test_a_root_too_low(self):
        for i in range(3):
            copy(image_of(i, 0), f"low/p{i}/1.jpg")
        self.refused_folder("low/p1", "low/p1", "--root low")
        copy(image_of(1, 1), "low/p1/more/2.jpg")
        self.refused_folder("low/p1", "one person only (`more`)", "--root low")
        self.refused_folder("low/p1/", "--root low")

    def test_one_person_alone(self):
        for j in range(4):
            copy(image_of(1, j), f"alone/ann/{j}.jpg")
        self.refused_folder("alone", "4 images of one person only (`ann`)", "at least two")
        write("one.txt", "".join(f"{image_of(i, 0)} 0\n" for i in range(4)))
        self.refused_training(3, ["--train-list", "one.txt"], "one.txt", "one person only", "label of its own")
        write("ones.txt", "".join(f"{image_of(i, 0)} 1\n" for i in range(4)))
        self.refused_training(3, ["--train-list", "ones.txt"], "one person only")
        packed = self.ok("pack", "--root", "alone", "--out", "alone.pack")
        self.assertIn("one person only", packed.err)
        self.refused_training(3, ["--pack", "alone.pack"], "alone.pack", "one person only", without=["--root", "--train-list"])

    def test_an_exclusion_that_leaves_one(self):
        write("out.txt", "".join(f"id_{i:05}\n" for i in range(11)))
        for without in [[], ["--train-list"]]:
            self.refused_training(3, ["--exclude", "out.txt"], "one person only (`id_00011`)", "11 others are excluded", without=without)


class Labels(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        write("dates.txt", "".join(f"{image_of(i, j)} {20190001 + 3 * i}\n" for i in reversed(range(12)) for j in range(6)))
        write("plain.txt", "".join(f"{image_of(i, j)} {i}\n" for i in reversed(range(12)) for j in range(6)))

    def test_labels_that_nobody_has(self):
        contents = ["label 20190034 in dates.txt:1", "20190035 classes", "20190023 have no image", "--relabel"]
        result = self.refused_training(3, ["--train-list", "dates.txt"], *contents)
        self.assertNotIn("Network", result.err)
        checked = run("check-data", "--root", "faces", "--train-list", "dates.txt")
        self.assertEqual(checked.code, 3)
        for content in contents:
            self.assertIn(content, checked.out)
        # Counting from 1 is reported and used for training, as is a requested number of classes.
        write("from-one.txt", "".join(f"{image_of(i, 0)} {i + 1}\n" for i in range(12)))
        self.train("from-one", "--train-list", "from-one.txt")
        self.assertIn("Labels that no image has: 1, the first 0", read("from-one/train.log"))
        self.train("roomy", "--classes", 100)
        self.refused_training(3, ["--classes", 2_000_000_000, "--embedding", 512], "2000000000 classes", "have no image", "GB",
                              without=["--embedding"])  # fmt: skip

    def test_relabel(self):
        self.train("relabelled", "--train-list", "dates.txt", "--relabel")
        self.train("plain", "--train-list", "plain.txt")
        self.assert_same("relabelled", "plain")
        table = "label,label_in_list\n" + "".join(f"{i},{20190001 + 3 * i}\n" for i in range(12))
        self.assertEqual(read("relabelled/labels.csv"), table)
        self.assertEqual(read("relabelled/last/labels.csv"), table)
        self.assertIn("relabel = true\n", read("relabelled/config.toml"))
        self.assertFalse(os.path.exists(path("plain/labels.csv")))
        more = train_arguments("relabelled", "--train-list", "dates.txt", "--relabel", "--iterations", 5, "--resume", "auto")
        write("later.txt", read("dates.txt").replace(" 20190034", " 20190099"))
        self.refused(2, [*more[:3], *[("later.txt" if part == "dates.txt" else part) for part in more[3:]]], "labels")
        self.ok(*more)
        self.assertEqual(environment("relabelled")["classes"], 12)

    def test_several_lists(self):
        write("first.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(7) for j in range(6)))
        write("second.txt", "".join(f"{image_of(i, j)} {i - 7}\n" for i in range(7, 12) for j in range(6)))
        write("both.txt", "".join(f"{image_of(i, j)} {i}\n" for i in range(12) for j in range(6)))
        lists = ["--train-list", "first.txt", "--train-list", "second.txt"]
        self.train("joined", *lists)
        self.train("both", "--train-list", "both.txt")
        self.assert_same("joined", "both")
        table = "label,label_in_list,list\n" + "".join(f"{i},{i - 7 * (i >= 7)},{1 + (i >= 7)}\n" for i in range(12))
        self.assertEqual(read("joined/labels.csv"), table)
        self.assertEqual(read("joined/last/labels.csv"), table)
        log = read("joined/train.log")
        self.assertIn("Data: 72 images of 12 people under faces,", log)
        self.assertIn("List 1, first.txt: 42 images under faces, labels 0 to 6\n", log)
        self.assertIn("List 2, second.txt: 30 images under faces, labels 7 to 11\n", log)
        self.assertIn('train-list = ["first.txt", "second.txt"]\n', read("joined/config.toml"))
        self.assertIn('root = "faces"\n', read("joined/config.toml"))
        # from the file, with a list that has a comma in its name
        write("first, of all.txt", read("first.txt"))
        write("lists.toml", read("joined/config.toml").replace("first.txt", "first, of all.txt"))
        self.ok("train", "--config", "lists.toml", "--out", "configured")
        self.assert_same("joined", "configured")
        self.ok("train", "--config", "joined/config.toml", "--out", "overridden", "--train-list", "both.txt")
        self.assert_same("joined", "overridden")

        os.symlink(path("faces"), path("elsewhere"))
        self.train("rooted", *lists, "--root", "faces", "--root", "elsewhere")
        self.assert_same("joined", "rooted")
        self.assertIn("under faces, elsewhere,", read("rooted/train.log"))
        self.assertIn('root = ["faces", "elsewhere"]\n', read("rooted/config.toml"))

        # others than before are not resumed
        for other in [["--train-list", "second.txt", "--train-list", "first.txt"], ["--train-list", "first.txt"]]:
            self.refused(2, train_arguments("joined", *other, "--iterations", 5, "--resume", "auto"), "list")
        self.ok(*train_arguments("joined", *lists, "--iterations", 5, "--resume", "auto"))

    def test_several_lists_that_do_not_fit(self):
        write("one.txt", f"{image_of(0, 0)} 0\n{image_of(1, 0)} 1\n")
        write("two.txt", f"{image_of(2, 0)} 0\n{image_of(1, 1)} 1\n")
        self.refused_training(3, ["--train-list", "one.txt", "--train-list", "two.txt"], "two.txt:2: faces/id_00001/id_00001_0002.jpg",
                              "one.txt:2: faces/id_00001/id_00001_0001.jpg", "different people")  # fmt: skip
        self.refused_training(2, ["--root", "faces", "--root", "faces"], "--root", "2 folders", "one list")
        self.refused_training(2, ["--root", "faces", "--root", "faces"], "--root", "0 lists", without=["--train-list"])
        self.refused_training(3, ["--train-list", "one.txt", "--train-list", "absent.txt"], "absent.txt")
        write("dates-2.txt", f"{image_of(2, 0)} 20190001\n{image_of(3, 0)} 20190002\n")
        self.refused_training(3, ["--train-list", "one.txt", "--train-list", "dates-2.txt"], "dates-2.txt:2", "--relabel")

    def test_relabel_takes_any_whole_number(self):
        values = [-5, 0, 7, 2**31, 2**62 + 1]
        write("wide.txt", "".join(f"{image_of(i, j)} {values[i]}\n" for i in range(5) for j in range(6)))
        self.refused_training(3, ["--train-list", "wide.txt"], "wide.txt:1", "-5", "--relabel")
        self.train("wide", "--train-list", "wide.txt", "--relabel", "--classes", 6)
        self.assertEqual(read("wide/labels.csv").split()[1:], [f"{i},{value}" for i, value in enumerate(values)])
        self.assertEqual(model(newest("wide"))[1]["fc6.weight"][0], [6, 16])
        self.refused_training(3, ["--train-list", "wide.txt", "--relabel", "--classes", 4], "4 classes")
        write("huge.txt", f"{image_of(0, 0)} 99999999999999999999\n{image_of(1, 0)} 1\n")
        self.refused_training(3, ["--train-list", "huge.txt", "--relabel"], "huge.txt:1", "64 bits")
        self.refused_training(2, ["--relabel"], "--relabel", without=["--train-list"])

    def test_relabel_with_an_exclusion_and_in_a_pack(self):
        write("two.txt", "id_00002\nid_00005\n")
        self.train("fewer", "--train-list", "dates.txt", "--relabel", "--exclude", "two.txt")
        self.assertEqual(read("fewer/labels.csv").split()[1:], [f"{n},{20190001 + 3 * i}" for n, i in enumerate(i for i in range(12) if i not in (2, 5))])
        self.ok("pack", "--root", "faces", "--train-list", "dates.txt", "--relabel", "--out", "dates.pack")
        self.assertEqual(read("dates.pack.labels.csv").split()[1:], [f"{i},{20190001 + 3 * i}" for i in range(12)])
        self.train("plain-2", "--train-list", "plain.txt")
        self.train("from-pack", "--pack", "dates.pack", without=["--root", "--train-list"])
        self.assert_same("plain-2", "from-pack")
        self.ok("pack", "--root", "faces", "--train-list", "dates.txt", "--out", "sparse.pack")
        self.refused_training(3, ["--pack", "sparse.pack"], "sparse.pack", "20190035 classes", "--relabel", without=["--root", "--train-list"])
        self.train("from-sparse", "--pack", "sparse.pack", "--relabel", without=["--root", "--train-list"])
        self.assert_same("plain-2", "from-sparse")
        self.ok("check-data", "--root", "faces", "--train-list", "dates.txt", "--relabel")


if __name__ == "__main__":
    harness.main()
