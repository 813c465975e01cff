"""Several processes that do the same work, and the parent that starts them, replaces those that die, and ends them."""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from stigmer.cli.exits import Code

STOPPING = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*STOPPING, signal.SIGHUP, signal.SIGCHLD)
_SAID_WHY = (Code.REFUSED, Code.CONFIGURATION)
"""The exit codes of workers that have told why they cannot serve."""
_FAILED_STARTS = 5
"""A worker that fails to start this often in a row never will."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_WELL_SECONDS = 60.0
"""A worker that has served this long was well: what ended it is not counted with what ended those before."""
_EXTRA_SECONDS = 10.0
"""What workers have beyond their own time to finish, before they are killed."""


class Parent:
    """What a worker has of its parent.

    Attributes:
        alive: a file descriptor that becomes readable when the parent is gone.
    """

    def __init__(self, alive: int, ready: int) -> None:
        self.alive = alive
        self._ready = ready

    def tell_ready(self) -> None:
        """Tells the parent that this worker serves."""
        with contextlib.suppress(OSError):  # the parent may be gone, which ends this worker too, but not like this
            os.write(self._ready, b"+")
            os.close(self._ready)


Work = Callable[[int, Parent], int]
"""What a worker does, by its number: gives its exit code, after SIGTERM or once its parent is gone."""


class _Worker:
    """The place of one worker: whoever has it now, or when the next one is due."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process = 0
        self.ready = False
        self.failed_starts = self.deaths = 0
        self.due: float | None = None
        self._born = 0.0

    def begin(self, process: int) -> None:
        """Has somebody from now on."""
        self.process, self.ready, self.due = process, False, None
        self._born = time.monotonic()

    def end(self) -> float:
        """Has nobody any more; gives the seconds to wait before there is somebody again."""
        now = time.monotonic()
        if now - self._born > _WELL_SECONDS:
            self.deaths = 0
        self.failed_starts = 0 if self.ready else self.failed_starts + 1
        pause: float = min(_FIRST_PAUSE * 2 ** min(self.deaths, 10), _LONGEST_PAUSE)
        self.deaths += 1
        self.process, self.due = 0, now + pause
        return pause


class Supervisor:
    """Keeps a number of workers running. Waits for signals and workers, and is never inside an event loop: it forks."""

    def __init__(self, count: int, work: Work, grace: float, say: Callable[[str], None]) -> None:
        """Prepares ``count`` workers, of which none runs yet.

        Args:
            count: how many.
            work: of each.
            grace: seconds that a worker may take to end.
            say: is told in a line what happens to workers.
        """
        self._workers = [_Worker(number) for number in range(count)]
        self._work = work
        self._grace = grace
        self._say = say
        self._code = 0
        self._told = False
        self._deadline: float | None = None

    def run(self, on_serving: Callable[[], None], on_stopping: Callable[[], None]) -> int:
        """Runs the workers until SIGTERM or SIGINT, or until one cannot start; gives the exit code.

        The first one starts alone: what it cannot do, none of them can.

        Args:
            on_serving: is called once all of them serve.
            on_stopping: is called when a signal ends them.
        """
        self._on_stopping = on_stopping
        gc.collect()
        gc.freeze()  # what is here now is shared by all, as long as nobody writes to it
        with self._watching():
            self._workers[0].due = 0.0
            while self._deadline is None or any(worker.process for worker in self._workers):
                self._start_due()
                for key, _ in self._selector.select(self._seconds()):
                    key.data()
                self._reap()
                self._kill_late()
                if not self._told and all(worker.ready for worker in self._workers):
                    self._told = True
                    on_serving()
        return self._code

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Signals wake the selector up in the block, and the workers hear when this process is gone."""
        self._alive = os.pipe()
        self._signalled, wake = socket.socketpair()
        with self._signalled, wake, selectors.DefaultSelector() as self._selector:
            self._signalled.settimeout(0)
            wake.settimeout(0)
            self._selector.register(self._signalled, selectors.EVENT_READ, self._on_signals)
            before = [(number, signal.signal(number, _noted)) for number in _SIGNALS]
            fd = signal.set_wakeup_fd(wake.fileno())
            try:
                yield
            finally:
                signal.set_wakeup_fd(fd)
                for number, handler in before:
                    signal.signal(number, handler)
                for end in self._alive:
                    os.close(end)

    def _on_signals(self) -> None:
        for number in self._signalled.recv(4096):
            if number in STOPPING and self._deadline is None:
                self._on_stopping()
                self._stop()
            elif number == signal.SIGHUP:
                self._send(signal.SIGHUP)

    def _stop(self, code: int = 0) -> None:
        """Ends all workers; further calls change nothing."""
        if self._deadline is None:
            self._code = code
            self._deadline = time.monotonic() + self._grace + _EXTRA_SECONDS
            self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for worker in self._workers:
            if worker.process:
                os.kill(worker.process, number)

    def _seconds(self) -> float | None:
        """How long nothing is to be done, unless something happens."""
        due = [worker.due for worker in self._workers] if self._deadline is None else [self._deadline]
        times = [at for at in due if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _start_due(self) -> None:
        for worker in self._workers:
            if self._deadline is None and worker.due is not None and worker.due <= time.monotonic():
                self._fork(worker)

    def _fork(self, worker: _Worker) -> None:
        """Starts a worker. Signals wait meanwhile: in the child they must not end up with this process' handlers."""
        hears, tells = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process = os.fork()
        except OSError as error:  # no memory or no process to be had just now: those that run go on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(hears)
            os.close(tells)
            worker.due = time.monotonic() + _LONGEST_PAUSE
            self._say(f"worker {worker.number} cannot be started now: {error.strerror}")
            return
        if process == 0:
            os.close(hears)
            self._be_worker(worker.number, Parent(self._alive[0], tells))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(tells)
        worker.begin(process)
        self._selector.register(hears, selectors.EVENT_READ, lambda: self._on_ready(worker, process, hears))

    def _be_worker(self, number: int, parent: Parent) -> None:
        """Works, and ends the process: what the parent has begun on the stack must not go on here."""
        code = int(Code.REFUSED)
        try:
            signal.set_wakeup_fd(-1)
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # certificates are not read yet: there is nothing to read again
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent says what it means
            os.close(self._alive[1])
            self._selector.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            code = self._work(number, parent)
        except BaseException:  # noqa: BLE001 - nobody above may see it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _on_ready(self, worker: _Worker, process: int, hears: int) -> None:
        """A worker serves, or has ended before it did."""
        ready = bool(os.read(hears, 1))
        self._selector.unregister(hears)
        os.close(hears)
        if worker.process != process:  # it is a successor's by now
            return
        worker.ready = ready
        if ready:
            for other in self._workers:
                if not other.process and other.due is None:
                    other.due = 0.0

    def _reap(self) -> None:
        for worker in self._workers:
            if worker.process and (ended := os.waitpid(worker.process, os.WNOHANG)) != (0, 0):
                self._on_end(worker, os.waitstatus_to_exitcode(ended[1]))

    def _on_end(self, worker: _Worker, code: int) -> None:
        process, pause = worker.process, worker.end()
        if self._deadline is not None:
            return
        how = f"exited with {code}" if code >= 0 else f"was ended by signal {-code}"
        if worker.failed_starts and (not self._told or worker.failed_starts >= _FAILED_STARTS):
            if code not in _SAID_WHY:
                self._say(f"worker {worker.number} {how} before it served")
            self._stop(code if code in _SAID_WHY else Code.REFUSED)
            return
        self._say(f"worker {worker.number} (process {process}) {how}; the next one starts in {pause:g} s")

    def _kill_late(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._deadline += 1.0
            self._send(signal.SIGKILL)


def _noted(_number: int, _frame: Any) -> None:
    """The wakeup file descriptor tells."""
