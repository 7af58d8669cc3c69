#!/usr/bin/env python3
"""Breaks the core on purpose, one place at a time, and asks the simulation to notice.

By hand, from the root of the repository: `tests/simulation/mutants.py`. It works on a copy in a folder of its own (`target/mutants`), which
takes some minutes. It fails if a mutant is not found, or if the code that one changes is not there any more.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

STEPS = "400000"

# What is broken, the file, the code, what stands in its place.
MUTANTS = [
    ("series expire a millisecond late", "src/registry/series.rs", "now.as_millis().saturating_sub(last) >= ttl)", "now.as_millis().saturating_sub(last) > ttl)"),
    ("a counter ignores the sample rate", "src/ingest/recording.rs", "let amount = number * sample.weight;", "let amount = number;"),
    ("a signed value sets a gauge", "src/ingest/recording.rs", "change_of_gauge(sample, number, binding.signed_sets)", "change_of_gauge(sample, number, true)"),
    ("a series that comes back begins at 0", "src/registry/members.rs", "budget.grace.take(request.name, kind, labels.text())", "budget.grace.take(request.name, kind, labels.text()).filter(|_| false)"),
    ("deletion leaves what is in its grace period", "src/registry/grace.rs", "kept.bytes -= entry.remove().0.bytes;\n            }\n            is_here", "drop(entry);\n            }\n            is_here"),
    ("counters go on from their values after a crash", "src/registry/saved.rs", "let from_zero = rules.sums_from_zero && kind.accumulates();", "let from_zero = false;"),
    ("the time of the last sample is lost over a restart", "src/registry/saved.rs", "Timestamp::from_millis(self.last_ms.min(now.as_millis()))", "now"),
    ("h_count may stand beside the histogram h", "src/registry/families.rs", "taken_by_new.or_else(|| {", "taken_by_new.filter(|_| false).or_else(|| {"),
    ("new rules do not end a family that they make another type", "src/registry/family.rs", "differs && *self.origin", "false && differs && *self.origin"),
    ("a value on a bound is in the next bucket", "src/registry/cell/histogram.rs", "usize::from(*bound < value)", "usize::from(*bound <= value)"),
    ("a page shows one worker's part of a counter", "src/registry/series.rs", "cells.iter().map(|cell| cell.get()).fold(0.0, add_weights)", "cells.iter().take(1).map(|cell| cell.get()).fold(0.0, add_weights)"),
    ("a sample beyond a family's limit is lost where it is to be folded", "src/registry/members.rs", "(Overflow::Refuse, _) => Err(limited),", "(Overflow::Refuse | Overflow::Fold, _) => Err(limited),"),
    ("a retired series is written to all the same", "src/registry/cell/stamp.rs", "if self.0.load(Relaxed) == RETIRED {\n            return false;", "if self.0.load(Relaxed) == RETIRED {\n            return true;"),
]


def run(root: Path, copy: Path) -> int:
    shutil.rmtree(copy, ignore_errors=True)
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, tracked):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, copy / name)
    missed = 0
    for what, name, old, new in MUTANTS:
        path = copy / name
        text = path.read_text()
        if old not in text:
            sys.exit(f"{name} has no `{old}` any more")
        path.write_text(text.replace(old, new))
        environment = {**os.environ, "CARGO_TARGET_DIR": str(root / "target"), "STATSD_BRIDGE_SIMULATION_STEPS": STEPS, "RUST_BACKTRACE": "0"}
        test = subprocess.run(["cargo", "test", "--locked", "--test", "it", "simulation::"], cwd=copy, env=environment, capture_output=True, text=True)
        path.write_text(text)
        lines = test.stdout.splitlines()
        shown = next((line for line in lines if " shows, in " in line), None)
        if "running " not in test.stdout:
            sys.exit(f"{what}: it does not compile\n{test.stderr[-2000:]}")
        missed += shown is None
        print(f"{'found ' if shown else 'MISSED'}  {what}: {shown or ''}", flush=True)
    shutil.rmtree(copy, ignore_errors=True)
    return missed


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    sys.exit(1 if run(root, root / "target" / "mutants") else 0)
