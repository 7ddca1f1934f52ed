#!/usr/bin/env python3
"""eval, compare, extract and bench: what they write, and that the model file alone determines how images are read."""

import glob
import json
import os
import re
import shutil

import harness
from harness import (IDENTITIES, IMAGES, CliTest, faces, image_of, newest, norm, pairs, path, read, read_npy, write)  # fmt: skip

ALL_IMAGES = [image_of(i, j) for i in range(IDENTITIES) for j in range(IMAGES)]
BENCH = ["bench", "--width", 0.0625, "--depth", 4, "--batch", 2, "--iterations", 2, "--classes", 7, "--threads", 1]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (norm(a) * norm(b))


def add(a, b):
    return [x + y for x, y in zip(a, b)]


class Evaluation(CliTest):
    @classmethod
    def setUpClass(cls):
        faces()
        pairs()
        if not os.path.exists(path("run")):
            cls().train("run", "--iterations", 10, "--checkpoint-every", 4)

    def evaluate(self, *flags, model="run", pairs="pairs.txt", root="faces"):
        self.ok("eval", *(["--model", model] if model else []), "--pairs", pairs, "--root", root, "--json", "e.json", *flags)
        return json.loads(read("e.json"))

    def extract(self, *flags, model="run", root="faces"):
        self.ok("extract", "--model", model, "--root", root, "--out", "x.npy", *flags)
        return read_npy("x.npy")


class Eval(Evaluation):
    def test_numbers_table_and_report(self):
        result = self.ok("eval", "--model", "run", "--pairs", "pairs.txt", "--root", "faces", "--json", "out.json")
        numbers = json.loads(read("out.json"))
        folds = numbers["folds"]
        self.assertEqual(len(folds), 3)
        self.assertTrue(all(fold * 8 % 100 == 0 and 0 <= fold <= 100 for fold in folds), "percent of 8 pairs")
        mean = sum(folds) / 3
        self.assertAlmostEqual(numbers["accuracy_mean"], mean, places=9)
        self.assertAlmostEqual(numbers["accuracy_std"], (sum((fold - mean) ** 2 for fold in folds) / 3) ** 0.5, places=9)
        self.assertRegex(result.out, rf"mean \+- population std over the folds: {mean:.2f} \+- {numbers['accuracy_std']:.2f} %")
        self.assertEqual(len(re.findall(r"(?m)^ +[123] +[\d.]+ +-?[\d.]+$", result.out)), 3)
        self.assertEqual(len(re.findall(r"TAR at FAR (?:1|0\.1) %", result.out)), 2)
        self.assertGreaterEqual(read("out.html").count("<svg"), 2, "ROC and histogram")
        self.assertIn("report: out.html", result.out)

    def test_scores_of_the_pairs_add_up_to_the_accuracy(self):
        folds = self.evaluate("--scores", "scores.csv")["folds"]
        lines = read("scores.csv").splitlines()
        self.assertEqual(lines[0], "pair,fold,same,score,correct")
        rows = [line.split(",") for line in lines[1:]]
        self.assertEqual([row[0] for row in rows], [str(i + 1) for i in range(len(rows))])
        for number, accuracy in enumerate(folds, 1):
            correct = [row[4] == "1" for row in rows if row[1] == str(number)]
            self.assertAlmostEqual(100 * sum(correct) / len(correct), accuracy)
        self.assertEqual({row[2] for row in rows}, {"0", "1"})
        self.assertTrue(all(-1 <= float(row[3]) <= 1 for row in rows))

    def test_report_at_another_place_or_not_at_all(self):
        self.ok("eval", "--model", "run", "--pairs", "pairs.txt", "--root", "faces", "--report", "elsewhere.html")
        self.assertIn("<svg", read("elsewhere.html"))
        before = set(os.listdir(harness.scratch()))
        self.ok("eval", "--model", "run", "--pairs", "pairs.txt", "--root", "faces")
        self.assertEqual(set(os.listdir(harness.scratch())), before)

    def test_model_can_be_a_file_a_checkpoint_or_a_run(self):
        by_run = self.extract(model="run")
        for model in [newest("run"), "run/last", "run/step_00000010"]:
            self.assertEqual(self.extract(model=model), by_run)
        self.assertNotEqual(self.extract(model="run/step_00000004"), by_run)

    def test_threads_change_nothing(self):
        self.assertEqual(self.evaluate("--threads", 1), self.evaluate("--threads", 2))
        self.assertEqual(self.extract("--threads", 1), self.extract("--threads", 3))
        self.assertEqual(self.evaluate("--workers", 1), self.evaluate("--workers", 5))
        self.assertEqual(self.extract("--workers", 1), self.extract("--workers", 5))
        self.refused(2, ["extract", "--model", "run", "--root", "faces", "--out", "x.npy", "--workers", 0], "--workers")

    def test_protocols(self):
        seed, sphere = self.evaluate("--protocol", "amsoftmax"), self.evaluate("--protocol", "sphereface")
        self.assertEqual((seed["protocol"], sphere["protocol"]), ("amsoftmax", "sphereface"))
        self.assertEqual(seed, self.evaluate())
        self.assertNotEqual(seed["thresholds"], sphere["thresholds"])

    def test_the_score_is_the_cosine_of_summed_views(self):
        """Counting the pairs independently, at the threshold that eval prints, gives its accuracy."""
        rows = dict(zip(ALL_IMAGES, self.extract("--flip", "sum")))
        numbers = self.evaluate()
        for fold in range(3):
            people = list(range(4 * fold, 4 * fold + 4))
            genuine = [cosine(rows[image_of(p, 0)], rows[image_of(p, 1)]) for p in people]
            impostor = [cosine(rows[image_of(p, 0)], rows[image_of(q, 1)]) for p, q in zip(people, people[1:] + people[:1])]
            threshold = numbers["thresholds"][fold]
            right = sum(score > threshold for score in genuine) + sum(score < threshold for score in impostor)
            self.assertAlmostEqual(numbers["folds"][fold], 100 * right / 8)

    def test_raw_pixels(self):
        numbers = self.evaluate("--raw-pixels", model=None)
        self.assertEqual(len(numbers["folds"]), 3)
        self.assertNotEqual(numbers["thresholds"], self.evaluate()["thresholds"])
        self.refused(2, ["eval", "--raw-pixels", "--model", "run", "--pairs", "pairs.txt", "--root", "faces"], "--raw-pixels", "--model")

    def test_bad_images(self):
        shutil.copytree(path("faces"), path("holes"), dirs_exist_ok=True)
        write(f"holes/{image_of(1, 0)}", b"no image")
        evaluate = ["eval", "--model", "run", "--pairs", "pairs.txt", "--root", "holes"]
        self.refused(3, evaluate, f"pairs.txt:3: holes/{image_of(1, 0)}")
        result = self.ok(*evaluate, "--bad-images", "skip", "--json", "skipped.json")
        self.assertIn(f"pairs.txt:3: holes/{image_of(1, 0)}", result.err)
        numbers = json.loads(read("skipped.json"))
        self.assertEqual((numbers["failed_images"], numbers["failed_pairs"]), (1, 2))
        self.assertIn("over 22 of 24 pairs", result.out)
        self.assertAlmostEqual(numbers["folds"][0] * 6 / 100, round(numbers["folds"][0] * 6 / 100), msg="percent of its 6 other pairs")
        os.remove(path("holes", image_of(1, 0)))
        self.refused(3, evaluate, "pairs.txt:3:", image_of(1, 0), "not there")

    def test_bad_pairs_files(self):
        for text, line in [("", ""), ("3\n", ":1:"), ("3\t4\nid_00000\t1\n", ":2:"), ("x\t4\n", ":1:"), ("3\t4\nid_00000\t1\t-2\n", ":2:")]:
            with self.subTest(text=text):
                write("bad_pairs.txt", text)
                self.refused(3, ["eval", "--model", "run", "--pairs", "bad_pairs.txt", "--root", "faces"], f"bad_pairs.txt{line}")
        self.refused(3, ["eval", "--model", "run", "--pairs", "absent.txt", "--root", "faces"], "absent.txt")
        self.refused(3, ["eval", "--model", "run", "--pairs", "pairs.txt", "--root", "absent"], "absent")
        write("crlf.txt", "\ufeff" + read("pairs.txt").replace("\n", "\r\n"))
        self.assertEqual(self.evaluate(pairs="crlf.txt"), self.evaluate())


class InputOfTheModel(Evaluation):
    """Grey levels and colours are chosen so that reading them in another way gives other embeddings."""

    def test_size_order_and_mean_come_from_the_model_file(self):
        colours = [(200, 30, 90), (20, 120, 250), (90, 220, 10), (130, 60, 160)]
        for i, colour in enumerate(colours):
            write(f"square/p{i}/p{i}_0001.ppm", b"P6\n112 112\n255\n" + bytes(colour) * (112 * 112))
            write(f"swapped/p{i}/p{i}_0001.ppm", b"P6\n112 112\n255\n" + bytes(reversed(colour)) * (112 * 112))
        flags = ["--root", "square", "--input", "112x112", "--batch", 4]
        rows = {}
        for name, more in {"bgr": [], "rgb": ["--channel-order", "rgb"], "128": ["--mean", 128]}.items():
            self.train(name, *flags, *more, "--lr", 0, "--iterations", 1, without=["--train-list"])
            rows[name] = self.extract("--flip", "none", model=name, root="square")
        # The weights are the same in all three (lr 0, one seed): only the way of reading differs.
        self.assertNotEqual(rows["bgr"], rows["rgb"])
        self.assertNotEqual(rows["bgr"], rows["128"])
        self.assertEqual(self.extract("--flip", "none", model="rgb", root="swapped"), rows["bgr"], "swapping twice is not swapping")
        self.refused(3, ["extract", "--model", "bgr", "--root", "faces", "--out", "x.npy"], "112x96", "112x112")


class Compare(Evaluation):
    def test_two_sides(self):
        compare = ["compare", "--a", "run/last", "--b", "run/step_00000004", "--pairs", "pairs.txt", "--root", "faces", "--json", "c.json"]
        result = self.ok(*compare, "--threads", 1)
        numbers = json.loads(read("c.json"))
        self.assertIn("95 % interval", result.out)
        self.assertLessEqual(numbers["low"], numbers["difference"])
        self.assertLessEqual(numbers["difference"], numbers["high"])
        self.assertAlmostEqual(numbers["difference"], numbers["accuracies_a"][0] - numbers["accuracies_b"][0])
        self.assertAlmostEqual(numbers["accuracies_a"][0], self.evaluate()["accuracy_mean"])
        self.ok(*compare, "--seed", 2, "--protocol", "sphereface")
        self.assertAlmostEqual(json.loads(read("c.json"))["accuracies_a"][0], self.evaluate("--protocol", "sphereface")["accuracy_mean"])
        self.ok("compare", "--a", "run/last", "run/last", "--b", "run", "--pairs", "pairs.txt", "--root", "faces", "--json", "c.json")
        same = json.loads(read("c.json"))
        self.assertEqual((same["difference"], len(same["accuracies_a"])), (0, 2))


    def test_report_and_drawings_of_two_runs(self):
        self.train("other", "--iterations", 10, "--seed", 2)
        self.ok("compare", "--a", "run", "--b", "other", "--pairs", "pairs.txt", "--root", "faces", "--report", "c.html", "--drawings", "curves")
        drawings = glob.glob(path("curves", "*.svg"))
        self.assertGreaterEqual(len(drawings), 1)
        self.assertTrue(all("<svg" in read(drawing) for drawing in drawings))
        self.assertGreaterEqual(read("c.html").count("<svg"), len(drawings))
        self.refused(4, ["compare", "--a", "run", "--b", "other", "--pairs", "pairs.txt", "--root", "faces", "--drawings", "pairs.txt/x"],
                     "pairs.txt")  # fmt: skip


class Extract(Evaluation):
    def test_shape_and_names(self):
        rows = self.extract()
        self.assertEqual((len(rows), len(rows[0])), (72, 16))
        self.assertEqual(read("x.txt").splitlines(), ALL_IMAGES)

    def test_flips(self):
        none, both, concat = (self.extract("--flip", flip) for flip in ["none", "sum", "concat"])
        self.assertEqual(self.extract(), both, "the default is the sum")
        self.assertEqual(len(concat[0]), 32)
        for plain, summed, joined in zip(none, both, concat):
            self.assertEqual(joined[:16], plain)
            for found, wanted in zip(summed, add(joined[:16], joined[16:])):
                self.assertAlmostEqual(found, wanted, delta=1e-6 * norm(summed))
            self.assertNotEqual(joined[:16], joined[16:])

    def test_normalize(self):
        for flip in ["none", "sum", "concat"]:
            plain, unit = self.extract("--flip", flip), self.extract("--flip", flip, "--normalize")
            for a, b in zip(plain, unit):
                self.assertAlmostEqual(norm(b), 1, places=5)
                self.assertAlmostEqual(cosine(a, b), 1, places=5)

    def test_list(self):
        rows = dict(zip(ALL_IMAGES, self.extract()))
        write("some.txt", f"\ufeff{image_of(5, 2)}\r\n\r\n{image_of(0, 1)} 7\r\n{image_of(5, 2)}\n")
        self.assertEqual(self.extract("--list", "some.txt"), [rows[image_of(5, 2)], rows[image_of(0, 1)], rows[image_of(5, 2)]])
        self.assertEqual(read("x.txt"), f"{image_of(5, 2)}\n{image_of(0, 1)}\n{image_of(5, 2)}\n")

    def test_bad_images(self):
        write("some.txt", f"{image_of(0, 0)}\nid_00000/absent.jpg 3\n{image_of(0, 1)}\n")
        arguments = ["extract", "--model", "run", "--root", "faces", "--list", "some.txt", "--out", "x.npy"]
        self.refused(3, arguments, "some.txt:2: faces/id_00000/absent.jpg")
        self.assertIn("some.txt:2: faces/id_00000/absent.jpg", self.ok(*arguments, "--bad-images", "skip").err)
        rows = read_npy("x.npy")
        self.assertEqual((norm(rows[1]), len(rows)), (0, 3))
        self.assertGreater(norm(rows[2]), 0)
        self.refused(3, [*arguments[:5], "--list", "absent.txt", "--out", "x.npy"], "absent.txt")
        self.refused(3, ["extract", "--model", "run", "--root", "absent", "--out", "x.npy"], "absent")


class Bench(CliTest):
    def bench(self, *flags):
        given = dict(zip(flags[::2], flags[1::2])) if len(flags) % 2 == 0 else {}
        base = [part for flag, value in zip(BENCH[1::2], BENCH[2::2]) if flag not in given for part in (flag, value)]
        result = self.ok("bench", *base, *flags, "--json", "bench.json")
        return json.loads(read("bench.json")), result.out

    def test_numbers(self):
        numbers, text = self.bench()
        self.assertGreater(numbers["images_per_second"], 0)
        self.assertGreaterEqual(numbers["images_per_second_best"], numbers["images_per_second"])
        self.assertTrue(5 < numbers["peak_rss_mb"] < 500, numbers)
        self.assertRegex(text, r"^training, depth 4, width 0\.0625, batch 2, cpu with 1 thread\(s\), .*: [\d.]+ images/s \(median\), [\d.]+ \(best\), peak \d+ MB\n$")

    def test_flags(self):
        for flag, value, key in [("--batch", 5, "batch"), ("--threads", 2, "threads"), ("--width", 0.125, "width"), ("--depth", 10, "depth"),
                                 ("--classes", 99, "classes")]:  # fmt: skip
            self.assertEqual(self.bench(flag, value)[0][key], value)
        self.assertGreater(self.bench("--classes", 100_000)[0]["peak_rss_mb"], self.bench("--classes", 2)[0]["peak_rss_mb"] + 100)
        numbers, text = self.bench("--forward-only")
        self.assertTrue(numbers["forward_only"])
        self.assertTrue(text.startswith("embedding"))
        _, one = self.bench("--iterations", 1)
        numbers, _ = self.bench("--iterations", 1)
        self.assertEqual(numbers["images_per_second"], numbers["images_per_second_best"], "of one step")
        self.refused(2, [*BENCH, "--profile", "--device", "cpu"], "--profile", "a GPU")  # the tests on a GPU cover it
        ten = self.bench("--steps-per-wait", 10)[0]["images_per_second"]
        self.assertTrue(numbers["images_per_second"] / 4 < ten < numbers["images_per_second"] * 4, "of one step, however many are waited for")


if __name__ == "__main__":
    harness.main()
