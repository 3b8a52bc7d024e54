"""The commands of `aiojobs-lite`, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import typer
from typer.exceptions import Abort

from aiojobs_lite.cli.check import check_health
from aiojobs_lite.cli.database import DATABASE_COMMANDS
from aiojobs_lite.cli.events import list_sent_events
from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.following import tail_jobs, watch_top
from aiojobs_lite.cli.inngest import serve_inngest
from aiojobs_lite.cli.jobs import explain_job, list_jobs, show_one_job
from aiojobs_lite.cli.moving import cancel_jobs, delete_jobs, redrive_jobs, run_jobs_now
from aiojobs_lite.cli.running import enqueue_job, run_jobs
from aiojobs_lite.cli.schedules import SCHEDULE_COMMANDS
from aiojobs_lite.cli.screen import write_problem
from aiojobs_lite.cli.serving import serve_web
from aiojobs_lite.cli.status import list_dead_jobs, show_status
from aiojobs_lite.cli.types import change_or_list_limits, pause_jobs, resume_jobs
from aiojobs_lite.errors import AiojobsError, InvalidOption, InvalidSchedule
from aiojobs_lite.text import escape

Commands = Mapping[str, Callable[..., object]]

COMMANDS: Final[Commands] = {
    "status": show_status,
    "check": check_health,
    "top": watch_top,
    "list": list_jobs,
    "show": show_one_job,
    "explain": explain_job,
    "dead": list_dead_jobs,
    "tail": tail_jobs,
    "events": list_sent_events,
    "enqueue": enqueue_job,
    "redrive": redrive_jobs,
    "cancel": cancel_jobs,
    "delete": delete_jobs,
    "run-now": run_jobs_now,
    "pause": pause_jobs,
    "resume": resume_jobs,
    "limit": change_or_list_limits,
    "run": run_jobs,
    "web": serve_web,
    "inngest": serve_inngest,
}
_GROUPS: Final[Mapping[str, tuple[str, Commands]]] = {
    "schedules": ("Looks at cron schedules, and pauses them.", SCHEDULE_COMMANDS),
    "db": ("Looks after the file of a database.", DATABASE_COMMANDS),
}
_HELP: Final = """Durable background jobs on one SQLite file: look at them, act on them, look after the file.

The database is $AIOJOBS_LITE_DATABASE, else jobs.db; --db names another one. With --json a command prints JSON. Exit
codes: 0 fine, 1 refused or not found, 2 wrong usage, 3 to 8 findings of `check`.
"""


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code. Errors that are meant for people are one line on standard error."""
    try:
        code = make_command_line()(args=arguments, prog_name="aiojobs-lite", standalone_mode=False)
        sys.stdout.flush()
    except (InvalidOption, InvalidSchedule) as error:
        return write_problem(str(error), ExitCode.USAGE)
    except (AiojobsError, ModuleNotFoundError) as error:
        return write_problem(str(error), ExitCode.REFUSED)
    except BrokenPipeError:
        return _leave_pipe()
    except SystemExit as ended:
        return _code_of(ended)
    except (KeyboardInterrupt, Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        if getattr(error, "exit_code", None) != ExitCode.USAGE:
            raise
        return _refuse_usage(error)
    return code if isinstance(code, int) else ExitCode.FINE


def make_command_line() -> typer.Typer:
    """The application, with all its commands."""
    app = _make_group(_HELP, COMMANDS)
    for name, (text, commands) in _GROUPS.items():
        app.add_typer(_make_group(text, commands), name=name)
    return app


def _make_group(text: str, commands: Commands) -> typer.Typer:
    group = typer.Typer(
        help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    for name, command in commands.items():
        group.command(name)(command)
    return group


def _code_of(ended: SystemExit) -> int:
    """The exit code where typer, a server or the code of an application ends the process."""
    if isinstance(ended.__context__, BrokenPipeError):  # typer does that
        return _leave_pipe()
    if isinstance(ended.code, str):
        return write_problem(ended.code, ExitCode.REFUSED)
    return ExitCode.REFUSED if ended.code else ExitCode.FINE


def _refuse_usage(error: Any) -> int:
    """Writes what is wrong with a command line; of one without a command its help."""
    context = error.ctx
    if context is not None and error.format_message() == context.get_help():
        sys.stderr.write(f"{context.get_help()}\n")
        return ExitCode.USAGE
    return write_problem(_usage(error), ExitCode.USAGE)


def _usage(error: Any) -> str:
    """What is wrong with a command line, and where its usage is said."""
    context = error.ctx
    path = "aiojobs-lite" if context is None else context.command_path
    text = escape(error.format_message())
    end = "" if text.endswith((".", "?")) else "."
    return f"{text}{end}{_hint(text, path)} See `{path} --help`."


def _hint(text: str, path: str) -> str:
    """How the database is named, if it was named in the other way."""
    if "unexpected extra argument" in text:
        return " The database is named by --db."
    serves = path.rpartition(" ")[2] in {"inngest", "web"}
    return " The database is the argument: the name of its file." if serves and "option: --db" in text else ""


def _leave_pipe() -> int:
    """Ends quietly: the reader of the output has gone. What is buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.FINE
