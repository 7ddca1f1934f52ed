"""Rows of a comparison, one after the other: the rival's fastest mode is found first, the two programs run alternately as long as time is
left, and what could not be measured gives a line with the reason.

A comparison derives from Turns and defines

    modes_of(setting)       the names of the rival's modes
    mode_key(setting)       (task, ...): settings of one key share the fastest mode
    trial_of(setting)       the setting that stands for all settings of the key while modes are tried
    try_mode(trial, mode)   images/s of a short run
    rival_setting(row)      what the rival runs in a row
    pairs_of(row)           how many pairs are wanted
    cost(row)               [(kind of run, estimated seconds)] of one pair
    reason_to_skip(row)     a sentence, or None
    measure_row(row, pairs) adds a line; may raise Failure
    empty_line(row, why)    the line of a row that was not measured
"""
import sys
import time

from running import Failure
from verdicts import Budget, fastest


class Turns:
    trial_seconds = 45  # the estimated time of a short run

    def __init__(self, programs, arguments):
        self.programs, self.arguments = programs, arguments
        self.budget = Budget(60 * arguments.minutes)
        self.modes = {}  # by mode_key
        self.trials = {}  # by mode_key in words: mode -> images/s, None where it failed
        self.lines = {}  # by row
        self.pairs = {}  # by row: [(amnet's run, the other)]

    def measure(self, row):
        pairs = self.pairs_of(row)
        reason = self.reason_to_skip(row)
        if reason is None:
            cost = self.cost(row) + self.cost_of_trials(row)  # one pair is better than none
            if not self.budget.fits(cost):
                reason = f"not run: about {self.budget.expected(cost):.0f} s, and {max(0, self.budget.left()):.0f} s are left"
        if reason is not None:
            print(f"{row.name}: {reason}", file=sys.stderr, flush=True)
            self.lines[row.name] = self.empty_line(row, reason)
            return
        print(f"{row.name} ({pairs} pairs, {self.budget.left() / 60:.0f} minutes left)", file=sys.stderr, flush=True)
        try:
            self.measure_row(row, pairs)
        except Failure as failure:
            self.lines[row.name] = self.empty_line(row, f"failed: {failure}")
            print(f"  {failure}", file=sys.stderr)

    def mode_of(self, setting):
        """The rival's fastest mode, found by one short run of each."""
        key = self.mode_key(setting)
        if key not in self.modes:
            print(f"  PyTorch's fastest mode for {', '.join(map(str, key))}:", file=sys.stderr, flush=True)
            rates, reasons, trial = {}, [], self.trial_of(setting)
            for mode in self.modes_of(setting):
                try:
                    rates[mode] = self.timed(("trial", setting.task, setting.precision, mode), lambda: self.try_mode(trial, mode))
                except Failure as failure:
                    reasons.append(f"{mode}: {failure}")
                    rates[mode] = None
                    print(f"    {mode} failed: {failure}", file=sys.stderr)
            self.trials["/".join(map(str, key))] = rates
            self.modes[key] = fastest(rates)
            if self.modes[key] is None:
                raise Failure("PyTorch ran in no mode (" + "; ".join(reasons) + ")")
        return self.modes[key]

    def cost_of_trials(self, row):
        setting = self.rival_setting(row)
        if setting is None or self.mode_key(setting) in self.modes:
            return []
        return [(("trial", setting.task, setting.precision, mode), self.trial_seconds) for mode in self.modes_of(setting)]

    def by_turns(self, row, pairs, pair):
        """[pair(), ...], as many as were wanted or as there is time for, but at least one."""
        done = self.pairs[row.name] = []
        while len(done) < pairs and (not done or self.budget.fits(self.cost(row))):
            done.append(pair())
        return done

    def timed(self, kind, body):
        begun = time.monotonic()
        result = body()
        self.budget.took(kind, time.monotonic() - begun)
        return result
