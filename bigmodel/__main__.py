"""The command line: every job of the page without a browser, with the same settings and the same events.

    python -m bigmodel train --dataset article
    python -m bigmodel predict NETWORK.zip rows.csv
    python -m bigmodel compare --rates 0.001,0.01,0.1 --json
    python -m bigmodel finders --out FINDERS.md
    python -m bigmodel generate --prompt "I love" --seed 1
    python -m bigmodel transcribe talk.m4a
    python -m bigmodel models | bench | recipe NAME

`--json` prints one event a line and a line `{"event": "result", …}` at the end. Bad input: one line on stderr and exit
code 2.
"""

from __future__ import annotations

import argparse
import os
import sys

# Before torch is loaded: threads that spin at barriers make two busy cores slower than one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bigmodel.commands import JOBS
from bigmodel.commands.options import Parser
from bigmodel.commands.output import as_json, as_text
from bigmodel.errors import BigModelError
from bigmodel.ui.words import LANGUAGES, say, word


def main(arguments: list[str] | None = None) -> int:
    """Run one job; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    given = sys.argv[1:] if arguments is None else arguments
    parsed = parser(given[0] if given else "").parse_args(given)
    try:
        for event in (event for event in parsed.job(parsed) if event is not None):
            print(
                as_json(event) + "\n" if parsed.json else as_text(parsed.command, event, parsed.words),
                end="",
                flush=True,
            )
    except BigModelError as error:
        print(word(error, parsed.words), file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        return 130
    return 0


def parser(command: str) -> Parser:
    """One subcommand a job; its options are the fields of the job's config. Only `command` gets its options: a
    recipe's config loads torch, and nobody should wait for that who asks for something else."""
    top = Parser(prog="python -m bigmodel", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = top.add_subparsers(dest="command", required=True, metavar="JOB")
    for name, (add, job) in JOBS.items():
        sub = jobs.add_parser(name, help=say(f"cli.{name}"), description=say(f"cli.{name}"))
        sub.add_argument("--json", action="store_true", help=say("cli.json"))
        sub.add_argument("--words", choices=LANGUAGES, default="en", help=say("cli.words"))
        if name == command:
            add(sub)
        sub.set_defaults(job=job)
    return top


if __name__ == "__main__":
    sys.exit(main())
