#!/usr/bin/env python3
"""The conclusions of the comparison, on made-up measurements, and the arithmetic that it compares with."""
import array
import json
import struct
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import compare
import loss_curves
import machine
import verdicts
import work
from compare import BAR_ROWS, FREE_ROWS, Comparison, Setting
from verdicts import Budget, Line, Spread


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Conclusions(unittest.TestCase):
    def test_a_ratio_is_that_of_neighbours(self):
        # The medians of the two programs, 50 and 20, would give 2.5.
        self.assertEqual(verdicts.ratios([(60, 20), (50, 25), (40, 10)]), Spread(2.0, 3.0, 4.0))
        self.assertEqual(verdicts.ratios([(3, 2)]), Spread(1.5, 1.5, 1.5))
        self.assertIsNone(verdicts.ratios([]))

    def test_scaling_is_held_against_the_machines_own(self):
        # Twice as fast on a machine whose second core gives a factor of 1.6 is more than the
        # machine's own speed-up.
        self.assertAlmostEqual(verdicts.scaling_shares([(10, 20, 100, 160)]).median, 1.25)
        self.assertAlmostEqual(verdicts.scaling_shares([(10, 18, 100, 200), (10, 19, 100, 200), (10, 10, 100, 200)]).median, 0.9)

    def test_a_competitor_may_cost_its_share(self):
        # Three busy threads on two cores: two of them have 4/3 of the two cores.
        self.assertAlmostEqual(verdicts.competing_shares([(60, 100)], threads=2, cores=2).median, 0.9)
        self.assertAlmostEqual(verdicts.competing_shares([(20, 100), (50, 100), (60, 100)], threads=2, cores=2).median, 0.75)
        self.assertAlmostEqual(verdicts.competing_shares([(90, 100)], threads=2, cores=4).median, 0.9, msg="a core is left for the other")

    def test_verdicts(self):
        self.assertEqual(verdicts.verdict(2.6, 2.6), "met")
        self.assertEqual(verdicts.verdict(2.59, 2.6), "MISSED")
        self.assertEqual(verdicts.verdict(1100, 1100, at_most=True), "met")
        self.assertEqual(verdicts.verdict(1101, 1100, at_most=True), "MISSED")
        self.assertEqual(verdicts.verdict(3.0, None), "–")
        self.assertEqual(verdicts.verdict(None, 3.0), "not measured")

    def test_the_fastest_mode_is_one_that_ran(self):
        self.assertEqual(verdicts.fastest({"eager": 12.0, "compile": 17.0, "freeze": None}), "compile")
        self.assertIsNone(verdicts.fastest({"eager": None}))

    def test_a_slow_run_stays_below_80_percent_of_the_peak(self):
        self.assertFalse(verdicts.is_slow(16.0, 10e9, 200.0))
        self.assertTrue(verdicts.is_slow(15.9, 10e9, 200.0))

    def test_a_rival_of_minutes_a_step_runs_once(self):
        self.assertEqual(verdicts.patience(5, 32, 10.0), 5)
        self.assertEqual(verdicts.patience(5, 32, 1.1), 5)
        self.assertEqual(verdicts.patience(5, 32, 0.6), 1)
        self.assertEqual(verdicts.patience(0, 32, 0.6), 0)

    def test_a_disturbed_run_shared_the_machine(self):
        def during(others, stolen):
            return {"others_cpu_seconds": others, "stolen_cpu_seconds": stolen, "seconds": 10.0}

        self.assertFalse(verdicts.is_disturbed(during(0.5, 0.4), cores=2))
        self.assertTrue(verdicts.is_disturbed(during(0.7, 0.4), cores=2))
        self.assertFalse(verdicts.is_disturbed(None, cores=2), "a system without /proc/stat")
        pairs = [({"disturbed": False}, {"disturbed": True}), ({"disturbed": False}, {"disturbed": False})]
        self.assertEqual(compare.notes_on(pairs, 2), ["1 of 4 runs disturbed"])
        self.assertEqual(compare.notes_on(pairs[1:], 1), [])
        self.assertEqual(compare.notes_on(pairs[1:], 5), ["1 of 5 pairs"])

    def test_the_budget_learns_what_a_run_takes(self):
        clock = Clock()
        budget = Budget(100, clock)
        pair = [("ours", 20), ("theirs", 45)]
        self.assertTrue(budget.fits(pair))
        self.assertFalse(budget.fits(pair * 2), "130 guessed of 100")
        budget.took("theirs", 25)
        self.assertTrue(budget.fits(pair * 2), "90 of 100")
        clock.now += 11
        self.assertFalse(budget.fits(pair * 2), "90 of 89")
        self.assertEqual((budget.elapsed(), budget.left()), (11, 89))

    def test_the_table_is_aligned_and_empty_where_nothing_was_measured(self):
        text = verdicts.comparison_table([
            Line("training", 48.25, 18.1, "torch.compile", Spread(2.5, 2.667, 2.8), 1079.6, 1660.2, ">= 2.6x", "met"),
            Line("embedding-bf16", bar=">= 2.0x", verdict="skipped: no bf16"),
            Line("training-b1-t1", 1234.5, 10.0, "eager", Spread(1, 2, 3), 100, None, note="1 of 2 pairs"),
        ])
        lines = text.splitlines()
        self.assertEqual({len(line) for line in lines}, {len(lines[0])})
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        self.assertEqual(cells[2], ["training", "48.2", "18.1 (torch.compile)", "2.50 / 2.67 / 2.80", "1,080 / 1,660", ">= 2.6x", "met"])
        self.assertEqual(cells[3], ["embedding-bf16", "", "", "", "", ">= 2.0x", "skipped: no bf16"])
        self.assertEqual(cells[4][1:5] + cells[4][6:], ["1,234.5", "10.0 (eager)", "1.00 / 2.00 / 3.00", "100 / –", "–: 1 of 2 pairs"])


class Arithmetic(unittest.TestCase):
    def test_flops_of_an_image(self):
        self.assertAlmostEqual(work.flops_per_image("embedding") / 1e9, 3.5, delta=0.01)
        self.assertAlmostEqual(work.flops_per_image("training") / 1e9, 10.5, delta=0.03)
        stem = work.convolutions()[0]
        self.assertEqual(work.direct_flops(stem), 2 * 56 * 48 * 64 * 27)

    def test_flops_of_the_products_alone(self):
        layers = {c.name: c for c in work.convolutions()}
        self.assertEqual(work.product_flops(layers["stage1"]), 2 * 10 * 8 * 64 * 64 * 64)
        self.assertEqual(work.product_flops(layers["stage3"]), 2 * 3 * 2 * 7 * 8 * 256 * 256)
        self.assertEqual(work.product_flops(layers["stage2_stride2"]), 2 * 7 * 6 * 81 * 64 * 128)
        self.assertEqual(work.product_flops(layers["stage1_stride2"]), work.direct_flops(layers["stage1_stride2"]))
        # Between F(2,3)'s 2.25 and F(6,3)'s 5.06 times fewer.
        saved = work.flops_per_image("embedding") / work.flops_per_image("embedding", of=work.product_flops)
        self.assertTrue(3 < saved < 5, saved)

    def test_the_page_says_what_is_counted(self):
        page = (compare.ROOT / "docs" / "roofline.md").read_text()
        for c in work.convolutions():
            direct, products = work.direct_flops(c), work.product_flops(c)
            tile = "×".join(map(str, c.tile)) if c.tile else "–"
            shape = f"{c.height}×{c.width}×{c.outputs}" + (" of 3 channels" if c.inputs == 3 else "")
            self.assertIn(f"| {c.name} | {shape} | {c.count} | {direct / 1e6:.1f} | {tile} | {products / 1e6:.1f} | {direct / products:.2f} |", page)
        for task, direct, products in (("embedding", "3.50", "0.92"), ("training", "10.52", "2.79")):
            self.assertEqual(f"{work.flops_per_image(task) / 1e9:.2f}", direct)
            self.assertEqual(f"{work.flops_per_image(task, of=work.product_flops) / 1e9:.2f}", products)
            self.assertRegex(page, f"{direct}( GFLOP direct)? and {products}")

    def test_width_and_classes(self):
        self.assertEqual(work.channels(0.25), [16, 32, 64, 128])
        self.assertEqual(work.flops_per_image("training", classes=11) - work.flops_per_image("training", classes=10), 3 * 2 * 512)


class FakePrograms:
    """amnet at 50 images/s on a core, PyTorch at 10 eager and 20 compiled."""

    def __init__(self, has_bf16=False, peak=100.0, gaps=None):
        self.has_bf16, self.peak, self.gaps, self.calls = has_bf16, peak, gaps, []

    def multiplies_bf16(self):
        return self.has_bf16

    def amnet(self, setting):
        self.calls.append(("amnet", setting))
        return self.run(50.0 * setting.threads, setting)

    def rival(self, setting, mode, iterations=None):
        self.calls.append((mode, setting))
        if mode == "freeze":
            raise compare.Failure("no freezing here")
        return self.run(10.0 if mode == "eager" else 20.0, setting)

    def loss_curves(self):
        self.calls.append(("curves", None))
        return self.gaps

    def run(self, rate, setting):
        return {"images_per_second": rate, "peak_rss_mb": 1000.0, "peak_gflops": self.peak * setting.threads, "disturbed": False}


class Rows(unittest.TestCase):
    def setUp(self):
        patches = [mock.patch.object(machine, "cores", return_value=2), mock.patch.object(sys, "stderr")]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def compare(self, row, words=(), **fake):
        self.programs = FakePrograms(**fake)
        self.comparison = Comparison(self.programs, compare.parse(list(words)))
        self.comparison.measure(row)
        return self.comparison.lines[row.name]

    def row(self, name):
        return next(row for row in (*BAR_ROWS, *FREE_ROWS) if row.name == name)

    def test_runs_alternate_after_the_fastest_mode_is_found(self):
        line = self.compare(self.row("training"))
        self.assertEqual([who for who, _ in self.programs.calls], ["eager", "compile"] + ["amnet", "compile"] * 5)
        self.assertEqual((line.ours, line.theirs, line.mode, line.ratio.median, line.verdict), (100, 20, "torch.compile", 5, "met"))

    def test_bars_are_for_full_width(self):
        self.assertEqual(self.compare(self.row("training"), ["--width", "0.25"]).verdict, "–")

    def test_pairs(self):
        for words, name, pairs in [([], "training", 5), ([], "training-b64-t2", 2), (["--quick"], "training", 1), (["--pairs", "3"], "training", 3)]:
            self.compare(self.row(name), words)
            self.assertEqual(sum(who == "amnet" for who, _ in self.programs.calls), pairs, (words, name))

    def test_a_mode_that_fails_is_not_chosen(self):
        self.assertEqual(self.compare(self.row("embedding")).mode, "torch.compile")

    def test_a_disturbed_trial_of_a_mode_is_repeated_once(self):
        self.compare(self.row("training"), ["--pairs", "1"])
        quiet = self.programs.run
        self.programs.calls.clear()
        self.programs.run = lambda rate, setting: {**quiet(rate, setting), "disturbed": True}
        self.comparison.try_mode(Setting("training"), "eager")
        self.assertEqual([who for who, _ in self.programs.calls], ["eager", "eager"])

    def test_bf16_is_skipped_visibly_where_amnet_has_none(self):
        line = self.compare(self.row("embedding-bf16"))
        self.assertEqual(self.programs.calls, [])
        self.assertIn("skipped", line.verdict)
        self.assertIn("AVX512-BF16", line.verdict)
        line = self.compare(self.row("embedding-bf16"), has_bf16=True)
        self.assertEqual({setting.precision for _, setting in self.programs.calls}, {"bf16"})
        self.assertEqual(line.verdict, "met")

    def test_training_is_f32_even_against_bf16(self):
        self.compare(self.row("training-vs-bf16"))
        self.assertEqual({(who, setting.precision) for who, setting in self.programs.calls},
                         {("amnet", "f32"), ("eager", "bf16"), ("compile", "bf16")})

    def test_slow_runs_of_the_rival_are_repeated_twice_at_most_and_said(self):
        # 20 images/s are 210 GFLOP/s, 26 % of 800.
        line = self.compare(self.row("training"), ["--pairs", "1"], peak=400.0)
        self.assertEqual([who for who, _ in self.programs.calls].count("compile"), 1 + 3)
        self.assertIn("2 PyTorch runs repeated", line.note)
        self.compare(self.row("training"), ["--pairs", "3"], peak=400.0)
        self.assertEqual([who for who, _ in self.programs.calls].count("compile"), 1 + 3 + 2 + 2, "one repeat each once all were slow")
        self.compare(self.row("training-b64-t2"), ["--pairs", "1"], peak=400.0)
        self.assertEqual([who for who, _ in self.programs.calls].count("compile"), 1 + 1, "only batch 32 and 2 threads have the rule")

    def test_scaling(self):
        line = self.compare(self.row("scaling-training"), ["--pairs", "2"])
        self.assertEqual([setting.threads for _, setting in self.programs.calls], [1, 2, 1, 2])
        self.assertAlmostEqual(line.ratio.median, 1.0)

    def test_memory_is_told_by_another_rows_runs(self):
        self.compare(self.row("training"))
        for name in ("memory-training", "memory-embedding"):
            self.comparison.conclude_memory(self.row(name))
        self.assertEqual(self.comparison.lines["memory-training"].verdict, "met")
        self.assertIn("not run", self.comparison.lines["memory-embedding"].verdict)
        rows, kernels = compare.chosen_rows(compare.parse(["--rows", "memory-training"]))
        self.assertEqual(([row.name for row in rows], kernels), (["training", "memory-training"], False))

    def test_loss_curves_are_held_against_perturbed_starts(self):
        with mock.patch.object(loss_curves, "shared_faces", return_value=loss_curves.Faces(compare.ROOT, compare.ROOT)):
            line = self.compare(self.row("loss-curves"), gaps=loss_curves.Gaps(0.02, [0.01, 0.03, 0.02], 4.5))
            self.assertEqual(line.verdict, "met")
            self.assertEqual(line.note, "largest gap 0.02, of perturbed starts 0.03 (3 draws from 0.01); loss 4.50 at the end")
            self.assertEqual(self.compare(self.row("loss-curves"), gaps=loss_curves.Gaps(0.031, [0.01, 0.03], 4.5)).verdict, "MISSED")
            self.assertEqual(self.programs.calls, [("curves", None)], "once, whatever the number of pairs")
        with mock.patch.object(loss_curves, "shared_faces", return_value=None):
            line = self.compare(self.row("loss-curves"))
            self.assertEqual(self.programs.calls, [])
            self.assertIn("skipped", line.verdict)
            self.assertIn("AMNET_SHARED", line.verdict)

    def test_what_does_not_fit_is_listed(self):
        line = self.compare(self.row("training"), ["--minutes", "1"])
        self.assertEqual(self.programs.calls, [])
        self.assertIn("not run", line.verdict)

    def test_one_pair_is_better_than_none(self):
        line = self.compare(self.row("scaling-training"), ["--minutes", "1"])  # the estimate for a pair is 40 s
        self.assertEqual(line.note, "")
        self.comparison.budget.seconds = 50
        with mock.patch.object(self.comparison, "timed", side_effect=lambda kind, body: self.comparison.budget.took(kind, 40) or body()):
            self.comparison.measure(self.row("scaling-training"))
        self.assertEqual(self.comparison.lines["scaling-training"].note, "1 of 5 pairs")

    def test_finding_the_mode_is_part_of_the_cost(self):
        words = ["--minutes", "2", "--pairs", "1"]  # 65 s of runs by estimate, and 90 s of trials before them
        self.assertIn("not run", self.compare(self.row("training"), words).verdict)
        self.comparison.modes["training", "f32", 32] = "compile"
        self.comparison.measure(self.row("training"))
        self.assertEqual(self.comparison.lines["training"].verdict, "met")

    def test_a_slow_precision_does_not_make_others_look_slow(self):
        self.comparison = Comparison(FakePrograms(), compare.parse([]))
        self.comparison.budget.took(("trial", "training", "bf16", "eager"), 400)
        self.assertEqual([guess for _, guess in self.comparison.cost_of_trials(self.row("training"))], [45, 45])
        self.assertEqual(self.comparison.budget.expected(self.comparison.cost_of_trials(self.row("training"))), 90)
        self.assertEqual(self.comparison.budget.expected(self.comparison.cost_of_trials(self.row("training-vs-bf16"))), 445)

    def test_too_few_cores(self):
        machine.cores.return_value = 1
        self.assertIn("needs 2 cores", self.compare(self.row("training")).verdict)
        self.assertEqual(self.compare(self.row("training-b1-t1")).ratio.median, 2.5)

    def test_rows_without_a_bar_are_those_the_bars_leave(self):
        self.assertEqual(len(FREE_ROWS), 12 - 3)
        names = [row.name for row in (*BAR_ROWS, *FREE_ROWS)]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(compare.chosen_rows(compare.parse(["--quick"])), (list(BAR_ROWS), False))

    def test_the_report_names_shares_of_the_peak(self):
        self.compare(self.row("embedding"), peak=200.0)
        text = compare.share_table(self.comparison)
        # 100 images/s are 350 GFLOP/s of 400.
        self.assertRegex(text, r"embedding +\| +100.0 \| +349.9 \| +400.0 \| +87 % \|")


class Environment(unittest.TestCase):
    def test_each_instruction_set_has_its_own_limits_and_compiled_code(self):
        environments = {}
        for isa in ("native", "avx2"):
            arguments = compare.parse(["--isa", isa])
            arguments.build = compare.ROOT  # any directory: nothing is run
            with mock.patch.object(compare.Path, "exists", return_value=True), mock.patch.object(compare, "execute", return_value=""):
                environments[isa] = compare.Programs(arguments).rival_environment(2)
        self.assertEqual(environments["avx2"]["ONEDNN_MAX_CPU_ISA"], "AVX2")
        self.assertEqual(environments["avx2"]["ATEN_CPU_CAPABILITY"], "avx2")
        self.assertNotEqual(environments["native"]["TORCHINDUCTOR_CACHE_DIR"], environments["avx2"]["TORCHINDUCTOR_CACHE_DIR"])


class LossCurves(unittest.TestCase):
    def test_curves_are_means_and_a_gap_is_the_largest(self):
        self.assertEqual(loss_curves.smoothed([1, 3, 5, 9], over=2), [2, 4, 7])
        self.assertEqual(loss_curves.smoothed([1, 3], over=2), [2])
        self.assertEqual(loss_curves.gap([2, 4, 7], [2, 6, 6.5]), 2)
        self.assertEqual(loss_curves.gap([2, 6, 7], [2, 4, 6.5]), 2)

    def test_a_start_is_perturbed_by_its_relative_size(self):
        header = json.dumps({"__metadata__": {"a": "b"}, "w": {"dtype": "F32", "shape": [4000], "data_offsets": [0, 16000]}}).encode()
        begin = struct.pack("<Q", len(header)) + header
        weights = array.array("f", [2.0 ** (i % 9 - 4) for i in range(3999)] + [0.0])
        with tempfile.TemporaryDirectory() as scratch:
            source, target = Path(scratch) / "a", Path(scratch) / "b"
            source.write_bytes(begin + weights.tobytes())
            loss_curves.perturb(source, target, seed=1, size=1e-3)
            data = target.read_bytes()
            self.assertEqual(data[:len(begin)], begin)
            moved = array.array("f", data[len(begin):])
            changes = [b / a - 1 for a, b in zip(weights[:-1], moved)]
            self.assertAlmostEqual((sum(c * c for c in changes) / len(changes)) ** 0.5, 1e-3, delta=5e-5)
            self.assertEqual(moved[-1], 0)
            loss_curves.perturb(source, target, seed=2, size=1e-3)
            self.assertNotEqual(target.read_bytes(), data, "another draw")
            source.write_bytes(begin.replace(b"F32", b"F64") + weights.tobytes())
            with self.assertRaisesRegex(ValueError, "F64"):
                loss_curves.perturb(source, target, seed=1)


class Kernels(unittest.TestCase):
    def test_the_best_repetition_stands_in_the_table(self):
        def one(name, milliseconds, **more):
            return {"name": name + "/real_time", "run_type": "iteration", "real_time": milliseconds, **more}

        report = {"context": {"multiply_add_gflops": "200.0", "copy_gbytes": "20.0", "threads": "2"}, "benchmarks": [
            one("conv2d/stage3/forward", 9.0, **{"GFLOP/s": 400.0, "%FMA": 200.0}),
            one("conv2d/stage3/forward", 8.0, **{"GFLOP/s": 450.0, "%FMA": 225.0}),
            {**one("conv2d/stage3/forward", 1.0), "run_type": "aggregate"}, one("prelu/stage1/forward", 2.0, **{"GB/s": 15.0, "%copy": 75.0})]}
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in compare.kernel_table(report).splitlines()[2:]]
        self.assertEqual(rows[0], ["conv2d/stage3/forward", "8.000", "450.0", "225 %", "", "", "7.05", "88 %"])
        self.assertEqual(rows[1], ["prelu/stage1/forward", "2.000", "", "", "15.0", "75 %", "", ""])


if __name__ == "__main__":
    unittest.main()
