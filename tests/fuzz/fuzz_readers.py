"""Throw spoilt files at every reader and count what happens; not part of the test suite.

    nice python tests/fuzz/fuzz_readers.py --executions 100000 --native 1000000 --out fuzz.json

A reader may return a value or raise one of our errors. Anything else is a finding: another
exception, more than --slow seconds of processor, memory above --memory MiB more than at the start,
a process that dies. Inputs of findings are kept in --keep. Work is done in child processes of 2000
executions; with --out the counts are kept after each, and a later run goes on from there.

USD's own reader ends the process on some files, or asks for more time or memory than they are
worth; the product reads it in a child process with limits for that reason, so these are counted as
`ended` and are no finding.
"""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import os
import platform
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import seeds
import spoil

from twinsdk.errors import TwinError
from twinsdk.formats.dispatch import AVATAR_READERS, CLIP_READERS

CHUNK = 2000
EMPTY = {"executions": 0, "read": 0, "refused": 0, "slowest_s": 0.0, "peak_mib": 0}
_COUNTS = struct.Struct("<QQQdQ")  # executions, read, refused, slowest seconds, peak KiB


class TooSlowError(BaseException):
    """A reader did not come back; no Exception, so that nothing catches it on the way."""


def worker(call, start, count, args, shared, say):
    """Run `count` executions; counts go to `shared`, findings to `say`, also when this dies."""
    soft = int(args.memory * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + soft,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def late(*_):
        raise TooSlowError(f"more than {args.slow} s of processor")

    signal.signal(signal.SIGPROF, late)
    read = refused = 0
    slowest = 0.0
    for n in range(start, start + count):
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, args.slow)
        try:
            call(n)
            read += 1
        except (TwinError, spoil.RefusedError) as error:
            refused += 1
            if "more memory than there is" in str(error):
                say(f"memory: {str(error)[:150]}", n)
        except BaseException as error:  # whatever it is, it is a finding
            signal.setitimer(signal.ITIMER_PROF, 0)
            if isinstance(error, KeyboardInterrupt):
                raise
            say(f"{type(error).__name__}: {str(error)[:200]}", n)
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        shared[: _COUNTS.size] = _COUNTS.pack(n - start + 1, read, refused, slowest, peak)


def _address_space():
    return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE


def chunk(call, row, args, *, may_end):
    """Run one child over the next executions, add its counts to `row`; return its findings."""
    shared = mmap.mmap(-1, 4096)
    outlet, inlet = os.pipe()
    start, count = row["executions"], min(CHUNK, args.wanted - row["executions"])

    def say(words, n):
        os.write(inlet, (json.dumps([words, n]) + "\n").encode())

    gc.freeze()  # the child's collector then leaves the parent's pages alone
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            worker(call, start, count, args, shared, say)
        finally:
            os._exit(0)
    os.close(inlet)
    told, status = _awaited(child, outlet, patience_s=count * args.slow)
    executions, read, refused, slowest, peak = _COUNTS.unpack(shared[: _COUNTS.size])
    findings = [json.loads(line) for line in told.splitlines()]
    if not executions and not os.WIFSIGNALED(status):
        raise SystemExit("interrupted")
    if may_end:
        beyond = [one for one in findings if one[0].startswith(("TooSlowError", "memory"))]
        row["ended"] = row.get("ended", 0) + len(beyond)
        findings = [one for one in findings if one not in beyond]
    if os.WIFSIGNALED(status):
        executions += 1
        if may_end:
            row["ended"] = row.get("ended", 0) + 1
        else:
            findings.append([f"ended by signal {os.WTERMSIG(status)}", start + executions - 1])
    row["executions"] += executions
    row["read"] += read
    row["refused"] += refused
    row["slowest_s"] = round(max(row["slowest_s"], slowest), 3)
    row["peak_mib"] = max(row["peak_mib"], peak // 1024)
    return findings


def _awaited(child, outlet, *, patience_s):
    """Return all that a child said and how it ended; one that does not get on is ended."""
    told, deadline = b"", time.monotonic() + patience_s
    with os.fdopen(outlet, "rb", buffering=0) as stream:
        os.set_blocking(outlet, False)
        done = status = 0
        while not done:
            time.sleep(0.01)
            told += stream.read(65536) or b""
            if time.monotonic() > deadline:  # a native endless loop takes no Python signal
                os.kill(child, signal.SIGKILL)
            done, status = os.waitpid(child, os.WNOHANG)
        while piece := stream.read(65536):
            told += piece
    return told, status


def calls(folder):
    """Return {kind: (call, input maker, may end the process)}."""
    out = {name: (_native(call), None, False) for name, call in seeds.native_calls().items()}
    for kind, reader in seeds.readers(folder).items():
        out[kind] = (_reading(kind, reader, folder), reader, kind.startswith("usd"))
    return out


def _native(call):
    return lambda n: call(random.Random(n))


def spoilt(kind, reader, n):
    """Return input number `n` of a kind; the same each time."""
    rng = random.Random(f"{kind} {n}")
    return reader.change(rng.choice(reader.seeds), rng)


def _reading(kind, reader, folder):
    def call(n):
        path = folder / f"spoilt{reader.suffix}"
        path.write_bytes(spoilt(kind, reader, n))
        reader.run(path)

    return call


def versions():
    wanted = ("numpy", "usd-core")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: metadata.version(name) for name in wanted},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=2000, help="a reader")
    parser.add_argument("--native", type=int, default=20_000, help="a native parser")
    parser.add_argument("--slow", type=float, default=5.0, help="seconds that are a finding")
    parser.add_argument("--memory", type=float, default=1024, help="MiB that are a finding")
    parser.add_argument("--only", nargs="*", help="kinds")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--out", type=Path, help="counts, kept and gone on with")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    known = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    rows = known.get("readers", {})
    for place in {*CLIP_READERS.values(), *AVATAR_READERS.values()}:
        import_module(f"twinsdk.formats.{place.split(':')[0]}")  # once, not in every child
    with tempfile.TemporaryDirectory() as name:
        waiting = {k: v for k, v in calls(Path(name)).items() if not args.only or k in args.only}
        while waiting:  # in turns, so that an interrupted run has some of each
            for kind, (call, reader, may_end) in list(waiting.items()):
                row = rows.setdefault(kind, {**EMPTY, "findings": []})
                args.wanted = args.executions if reader else args.native
                if row["executions"] >= args.wanted:
                    del waiting[kind]
                    print(kind, row, flush=True)
                    continue
                found = chunk(call, row, args, may_end=may_end)
                _keep(found, row, kind, reader, args)
                if args.out:
                    text = json.dumps({"versions": versions(), "readers": rows}, indent=1)
                    args.out.write_text(text + "\n")
    return 1 if any(row["findings"] for row in rows.values()) else 0


def _keep(found, row, kind, reader, args):
    """Note findings of new kinds in `row`, and keep the inputs that provoked them."""
    for words, n in found:
        if words not in row["findings"] and len(row["findings"]) < 20:
            row["findings"].append(words)
            if reader:
                args.keep.mkdir(parents=True, exist_ok=True)
                kept = f"{kind.replace(' ', '-')}-{n}{reader.suffix}"
                (args.keep / kept).write_bytes(spoilt(kind, reader, n))


if __name__ == "__main__":
    sys.exit(main())
