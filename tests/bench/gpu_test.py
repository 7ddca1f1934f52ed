#!/usr/bin/env python3
"""The conclusions of the comparison on a GPU from made-up measurements; it needs neither a GPU nor PyTorch."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import gpu
import gpu_rows
import machine
import pytorch_python
import work
from gpu_rows import BAR_ROWS, FREE_ROWS, Bars, Line, Setting
from running import ROOT, Failure
from verdicts import Spread


class Verdicts(unittest.TestCase):
    def judged(self, **measured):
        line = Line("row", bars=Bars(ratio=1.2, share=0.4, memory=0.7))
        return gpu_rows.judged(line._replace(**{"ratio": Spread(1.1, 1.2, 1.3), "share": 0.4, "ours_mb": 700.0, "theirs_mb": 1000.0, **measured}))

    def test_every_bar_counts(self):
        self.assertEqual(self.judged().verdict, "met")
        self.assertEqual(self.judged(ratio=Spread(1.0, 1.19, 2.0)).verdict, "MISSED: ratio")
        self.assertEqual(self.judged(share=0.39, ours_mb=701.0).verdict, "MISSED: rate, memory")
        self.assertTrue(gpu_rows.is_missed(self.judged(share=0.39)))
        self.assertFalse(gpu_rows.is_missed(self.judged()))

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        self.assertEqual(self.judged(theirs_mb=None).verdict, "met; not measured: memory")
        self.assertEqual(self.judged(theirs_mb=None, share=0.1).verdict, "MISSED: rate; not measured: memory")
        self.assertEqual(gpu_rows.judged(Line("row", bars=Bars(wait=0.01))).verdict, "not measured: wait")
        self.assertEqual(gpu_rows.judged(Line("row", 1000.0)).verdict, "–", "no bars")

    def test_a_wait_must_stay_below_its_bar(self):
        self.assertEqual(gpu_rows.judged(Line("row", wait=0.0099, bars=Bars(wait=0.01))).verdict, "met")
        self.assertEqual(gpu_rows.judged(Line("row", wait=0.01, bars=Bars(wait=0.01))).verdict, "MISSED: wait")


class Rows(unittest.TestCase):
    def test_rows_cover_both_batches_both_heads_and_every_task(self):
        settings = [row.setting for row in (*BAR_ROWS, *FREE_ROWS)]
        training = {(one.batch, one.classes) for one in settings if one.task == "training" and one.precision == "bf16"}
        self.assertEqual(training, {(batch, classes) for batch in (256, 512) for classes in (10516, 85742)})
        self.assertEqual({one.batch for one in settings if one.task == "embedding" and one.precision == "bf16"}, {256, 512})
        self.assertEqual({one.task for one in settings}, {"training", "embedding", "loading"})
        self.assertEqual({one.precision for one in settings}, {"bf16", "tf32", "f32"})
        names = [row.name for row in (*BAR_ROWS, *FREE_ROWS)]
        self.assertEqual(len(names), len(set(names)))

    def test_the_bars(self):
        bars = {row.name: row.bars for row in BAR_ROWS}
        self.assertEqual(str(bars["training-b256"]), ">= 1.2x, >= 40 % of the rate, <= 0.7x memory")
        self.assertEqual(bars["embedding-b512"].ratio, 1.3)
        self.assertEqual(str(bars["loading-b256"]), "< 1 % wait")
        self.assertFalse(any(any(row.bars) for row in FREE_ROWS))

    def test_choosing(self):
        def names(*words):
            arguments = gpu.parse(list(words))
            return [row.name for row in gpu_rows.chosen_rows(arguments.rows, arguments.quick)]

        self.assertEqual(names("--quick"), ["training-b256", "embedding-b256", "loading-b256"])
        self.assertEqual(len(names()), len(BAR_ROWS) + len(FREE_ROWS))
        self.assertEqual(names("--rows", "embedding-b256-f32", "training-b512"), ["training-b512", "embedding-b256-f32"])
        self.assertEqual(names("--profile"), ["training-b256"])


class Tables(unittest.TestCase):
    def cells(self, text):
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]

    def test_a_row_is_aligned_and_empty_where_nothing_was_measured(self):
        text = gpu_rows.comparison_table([
            Line("training-b256", 34567.8, 23456.7, "torch.compile", Spread(1.4, 1.4736, 1.5), 0.4567, 3000.4, 5000.6, bars=Bars(ratio=1.2),
                 verdict="met"),
            Line("loading-b256", 30000.0, wait=0.0012, bars=Bars(wait=0.01), verdict="met", note="PyTorch's part: no decoder"),
            Line("training-b512", verdict="not run: 300 s"),
        ])
        self.assertEqual(len({len(line) for line in text.splitlines()}), 1)
        rows = self.cells(text)[2:]
        self.assertEqual(rows[0], ["training-b256", "34,568", "23,457 (torch.compile)", "1.40 / 1.47 / 1.50", "46 %", "3,000 / 5,001", "",
                                   ">= 1.2x", "met"])
        self.assertEqual(rows[1][5:], ["", "0.1 % / –", "< 1 % wait", "met; PyTorch's part: no decoder"])
        self.assertEqual(rows[2], ["training-b512", "", "", "", "", "", "", "", "not run: 300 s"])

    def test_a_profile_has_each_kernels_part(self):
        kernels = [{"name": "forward 64->128: cudnn engine 7", "calls": 2.0, "ms": 3.0}, {"name": "SgdStep", "calls": 1.0, "ms": 1.0}]
        rows = self.cells(gpu_rows.profile_table({"kernels": kernels}))[2:]
        self.assertEqual(rows, [["forward 64->128: cudnn engine 7", "2", "3.0000", "75.0 %"], ["SgdStep", "1", "1.0000", "25.0 %"],
                                ["all", "3", "4.0000", ""]])


class FakePrograms:
    """amnet at 30,000 images/s, PyTorch at 20,000 compiled and less otherwise, and 600 TFLOP/s."""

    def __init__(self, decodes=True):
        self.calls, self.decodes = [], decodes

    def matrix_tflops(self, precision):
        self.calls.append(("matrix", precision))
        return 600.0

    def amnet(self, setting):
        self.calls.append(("amnet", setting))
        if setting.task == "loading":
            return {"images_per_second": 29_000.0, "wait_share": 0.002}
        return {"images_per_second": 30_000.0, "device_mb": 3000.0}

    def rival(self, setting, mode, iterations=None):
        self.calls.append((mode, setting))
        if setting.task == "loading" and not self.decodes:
            raise Failure("python ended with exit code 1: the rival needs torchvision")
        if mode == "max-autotune":
            raise Failure("no Triton")
        waits = {"wait_share": 0.3} if setting.task == "loading" else {}
        return {"images_per_second": {"compile": 20_000.0}.get(mode, 10_000.0), "device_mb": 5000.0, **waits}


class Comparing(unittest.TestCase):
    def setUp(self):
        patch = mock.patch.object(sys, "stderr")
        patch.start()
        self.addCleanup(patch.stop)

    def compare(self, name, words=(), **fake):
        self.programs = FakePrograms(**fake)
        self.comparison = gpu.Comparison(self.programs, gpu.parse(list(words)))
        self.comparison.measure(next(row for row in (*BAR_ROWS, *FREE_ROWS) if row.name == name))
        return self.comparison.lines[name]

    def test_runs_alternate_in_the_fastest_mode_between_two_matrix_rates(self):
        line = self.compare("training-b256", ["--pairs", "2"])
        self.assertEqual([who for who, _ in self.programs.calls], [*gpu.MODES, "matrix", "amnet", "compile", "amnet", "compile", "matrix"])
        self.assertEqual((line.ours, line.theirs, line.mode, line.ratio.median), (30_000, 20_000, "torch.compile", 1.5))
        self.assertAlmostEqual(line.share, 30_000 * work.flops_per_image("training") / 600e12)
        self.assertEqual((line.ours_mb, line.theirs_mb, line.verdict), (3000, 5000, "met"))
        self.assertEqual(self.comparison.trials["training/bf16"]["max-autotune"], None)

    def test_modes_may_be_named(self):
        line = self.compare("embedding-b256", ["--quick", "--modes", "eager", "reduce-overhead"])
        self.assertEqual([who for who, _ in self.programs.calls], ["eager", "reduce-overhead", "matrix", "amnet", "eager", "matrix"])
        self.assertEqual((line.mode, line.ratio.median), ("eager", 3.0))

    def test_another_batch_needs_no_other_choice_of_a_mode(self):
        self.compare("training-b256", ["--quick"])
        self.programs.calls.clear()
        self.comparison.measure(next(row for row in BAR_ROWS if row.name == "training-b512-c85742"))
        self.assertEqual([who for who, _ in self.programs.calls], ["matrix", "amnet", "compile", "matrix"])
        self.assertEqual(self.programs.calls[1][1], Setting("training", 512, 85742))
        share = 30_000 * work.flops_per_image("training", 85742) / 600e12
        self.assertAlmostEqual(self.comparison.lines["training-b512-c85742"].share, share)

    def test_loading_has_the_waits_of_both_and_the_mode_of_training(self):
        line = self.compare("loading-b256", ["--pairs", "1"])
        self.assertEqual({setting.task for who, setting in self.programs.calls[:4]}, {"training"})
        self.assertEqual((line.wait, line.theirs_wait, line.ours_mb, line.verdict, line.ratio.median), (0.002, 0.3, None, "met", 1.45))

    def test_a_rival_that_cannot_decode_is_told_and_not_tried_again(self):
        line = self.compare("loading-b256", ["--pairs", "3"], decodes=False)
        self.assertEqual(sum(setting == Setting("loading") for who, setting in self.programs.calls if who == "compile"), 1)
        self.assertEqual((line.ours, line.theirs, line.mode, line.ratio, line.verdict), (29_000, None, "", None, "met"))
        self.assertIn("needs torchvision", line.note)

    def test_bars_are_for_full_width(self):
        line = self.compare("training-b256", ["--quick", "--width", "0.25"])
        self.assertEqual((line.verdict, str(line.bars)), ("–", ""))

    def test_what_does_not_fit_is_listed(self):
        line = self.compare("training-b256", ["--minutes", "1"])
        self.assertEqual(self.programs.calls, [])
        self.assertIn("not run", line.verdict)

    def test_the_report_says_what_was_measured_where(self):
        line = self.compare("training-b256", ["--quick"])
        self.programs.runs = [{"gpu": "NVIDIA H100", "libraries": "CUDA 13.0 (driver: 13.0), cuDNN 9.19.0"},
                              {"torch": "2.15.0", "cuda": "13.0", "cudnn": "91900"}]
        about = {"name": "an NVIDIA GPU", "driver": "580.65", "memory_mb": "81559", "busy": False}
        record = gpu.record_of(self.programs, self.comparison, self.comparison.arguments, about, "2026-11-25")
        text = gpu.report_text(record, [line])
        for words in ("NVIDIA H100, driver 580.65", "cuDNN 9.19.0", "PyTorch 2.15.0 (CUDA 13.0, cuDNN 91900)", "2026-11-25", "training-b256 600"):
            self.assertIn(words, text)
        self.assertNotIn("other work", text)
        self.assertIn("other work", gpu.report_text({**record, "gpu": {**about, "busy": True}}, [line]))
        json.dumps(record)


class Running(unittest.TestCase):
    def test_a_training_run_counts_once_it_is_in_its_stride(self):
        told = [(1, 0.9)] * gpu.LOGS_LEFT_OUT + [(10, 0.01), (30, 0.0), (20, 0.02)]
        rows = [{"samples_per_second": str(rate), "wait_fraction": str(wait)} for rate, wait in told]
        self.assertEqual(gpu.training_numbers(rows), {"images_per_second": 20.0, "wait_share": 0.01})
        with self.assertRaises(Failure):
            gpu.training_numbers(rows[:gpu.LOGS_LEFT_OUT])

    def test_commands(self):
        with tempfile.TemporaryDirectory() as build:
            program = Path(build) / "examples" / "train_face" / "train_face"
            program.parent.mkdir(parents=True)
            program.write_text("")
            commands = []

            def execute(command, environment=None, seconds=None):
                commands.append([str(part) for part in command])
                Path(command[command.index("--json") + 1]).write_text('{"images_per_second": 1.0}')

            with mock.patch.object(gpu, "execute", execute), mock.patch.object(pytorch_python, "with_gpu", return_value="python3"), \
                    mock.patch.object(sys, "stderr"):
                programs = gpu.Programs(gpu.parse(["--build", build]))
                programs.amnet(Setting("embedding", 512))
                programs.rival(Setting("training", 256, 85742, "tf32"), "compile")
            amnet, rival = map(" ".join, commands)
            self.assertRegex(amnet, r"train_face bench --device cuda --precision bf16 --batch 512 --classes 10516 .*--steps-per-wait 10 ")
            self.assertTrue(amnet.endswith(" --forward-only"))
            self.assertRegex(rival, r"^python3 .*pytorch_rival.py --device cuda --mode compile --precision tf32 --batch 256 --classes 85742 ")
            self.assertNotIn("--forward-only", rival)

    def test_a_build_that_is_not_there(self):
        with self.assertRaisesRegex(Failure, "./run bench gpu"):
            gpu.Programs(gpu.parse(["--build", "/nowhere"]))


class Pythons(unittest.TestCase):
    def choose(self, able, named=None, installs=True):
        def install():
            self.installed = True
            if not installs:
                raise Failure("no network")
            return "installed"

        self.installed = False
        with mock.patch.object(pytorch_python, "answers", side_effect=lambda python, _: str(python) in able), \
                mock.patch.object(pytorch_python, "install", install), \
                mock.patch.object(pytorch_python.shutil, "which", side_effect=lambda name: f"/usr/bin/{name}"):
            return pytorch_python.with_gpu(named)

    def test_one_that_reaches_the_gpu_is_taken_as_it_is(self):
        self.assertEqual(self.choose({"/usr/bin/python3"}), "/usr/bin/python3")
        self.assertFalse(self.installed)
        self.assertEqual(self.choose({"/opt/python", "/usr/bin/python3"}, named="/opt/python"), "/opt/python")
        with self.assertRaisesRegex(Failure, "--python"):
            self.choose({"/usr/bin/python3"}, named="/opt/python")

    def test_only_where_there_is_none_it_is_installed(self):
        self.assertEqual(self.choose({"installed"}), "installed")
        with self.assertRaisesRegex(Failure, "no Python here .*no network"):
            self.choose(set(), installs=False)
        with self.assertRaisesRegex(Failure, "does not reach the GPU"):
            self.choose(set())


@unittest.skipIf(machine.gpu() is not None, "SKIPPED this machine has a GPU")
class WithoutGpu(unittest.TestCase):
    def test_the_commands_that_need_one_say_so_at_once(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AMNET_")}
        for words in (["bench", "gpu"], ["bench", "gpu", "--profile"], ["test", "gpu", "sanitize"]):
            with self.subTest(words=words):
                done = subprocess.run([ROOT / "run", *words], capture_output=True, text=True, env=environment, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (6, ""))
                self.assertRegex(done.stderr, r"\A[^\n]*needs an NVIDIA GPU[^\n]*\.\n\Z")


if __name__ == "__main__":
    unittest.main()
