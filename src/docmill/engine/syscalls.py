"""What the Linux kernel takes from a process that asks for it: seccomp, Landlock, capabilities; by ctypes.

The numbers are the kernel's own (asm/unistd.h, linux/seccomp.h, linux/landlock.h). Nothing here can be undone, and all
of it is inherited by the children of the process. Linux only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from dataclasses import dataclass
from typing import Final

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CAPABILITIES_VERSION = 0x20080522
_FILE_CAPABILITIES = 0b1111  # CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446  # the same on every machine
_LANDLOCK_VERSION, _PATH_BENEATH = 1, 1
_MOVE_BETWEEN_FOLDERS = 1 << 13
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2


@dataclass(frozen=True, slots=True)
class _Machine:
    """``audit``: how filters call it. ``others``: system calls from this number on are of another ABI."""

    audit: int
    seccomp: int
    socket: int
    connect: int
    others: int | None
    denied: tuple[int, ...]


# denied: ptrace, process_vm_readv, process_vm_writev, pidfd_getfd (other processes); io_uring_setup (works past such
# filters); add_key, request_key, keyctl (the session's keys); unshare, setns, mount, bpf, perf_event_open, userfaultfd
# (what attacks on the kernel begin with).
_MACHINES: Final = {
    "x86_64": _Machine(
        0xC000003E, 317, 41, 42, 0x40000000, (101, 310, 311, 438, 425, 248, 249, 250, 272, 308, 165, 321, 298, 323)
    ),
    "aarch64": _Machine(
        0xC00000B7, 277, 198, 203, None, (117, 270, 271, 438, 425, 217, 218, 219, 97, 268, 40, 280, 241, 282)
    ),
}

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # of classic BPF: ld [k], jeq k, jge k, ret k
_NUMBER_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # in struct seccomp_data
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send that signal when the thread that made this process ends."""
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def renounce_privileges() -> None:
    """No program that this process runs gains rights by being set-user-id. Raises OSError."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop_capabilities() -> None:
    """What root may, beyond reading and writing files: to look into every process, to raise limits, to mount.

    Of other users nothing is taken, as they have none. Raises OSError.
    """
    header = struct.pack("Ii", _CAPABILITIES_VERSION, 0)
    had = ctypes.create_string_buffer(24)
    _call("capget", header, had)
    low = [each & _FILE_CAPABILITIES for each in struct.unpack("6I", had.raw)[:3]]
    _call("capset", header, struct.pack("6I", *low, 0, 0, 0))


def filter_calls(*, network: bool) -> None:
    """Deny what reaches into other processes or around this filter, and without ``network`` sockets but local ones.

    Denied calls fail with EPERM, those of the network with EACCES. Raises OSError where the kernel has no filters or
    allows none, or the machine is not known.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"no filter is written for {platform.machine()}")
    program = _program(machine, network=network)
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    _call("syscall", machine.seccomp, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, described)


def keep_apart(*, network: bool) -> None:
    """Enter a Landlock domain: no look into processes outside it, no signal to them, and no TCP without ``network``.

    What of that an older kernel does not know is left out. Raises OSError where there is no Landlock, or none that
    lets files be moved between folders: every domain forbids that unless a rule allows it.
    """
    version = _call("syscall", _LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if version < 2:
        raise OSError(errno.ENOSYS, "the kernel is too old for it")
    rules = [_MOVE_BETWEEN_FOLDERS]
    if version >= 4:
        rules.append(0 if network else _BIND_TCP | _CONNECT_TCP)
    if version >= 6:
        rules.append(_SIGNALS if network else _SIGNALS | _ABSTRACT_SOCKETS)
    described = struct.pack(f"{len(rules)}Q", *rules)
    ruleset = _call("syscall", _LANDLOCK_CREATE_RULESET, described, len(described), 0)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = struct.pack("=Qi", _MOVE_BETWEEN_FOLDERS, root)
        _call("syscall", _LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, allowed, 0)
        _call("syscall", _LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(root)
        os.close(ruleset)


def _program(machine: _Machine, *, network: bool) -> bytes:
    """A filter in classic BPF: eight bytes an instruction, jumps count the instructions that they skip."""
    steps = [(_LOAD, 0, 0, _MACHINE_AT), (_EQUAL, 1, 0, machine.audit), _fail(errno.EPERM), (_LOAD, 0, 0, _NUMBER_AT)]
    if machine.others is not None:
        steps += [(_AT_LEAST, 0, 1, machine.others), _fail(errno.ENOSYS)]
    for number in machine.denied:
        steps += [(_EQUAL, 0, 1, number), _fail(errno.EPERM)]
    if not network:
        steps += [(_EQUAL, 0, 1, machine.connect), _fail(errno.EACCES)]
        steps += [(_EQUAL, 0, 3, machine.socket), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
        steps += [(_EQUAL, 1, 0, int(socket.AF_UNIX)), _fail(errno.EACCES)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _fail(number: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _FAIL | number


def _call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Raises OSError where the kernel refuses."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    result = function(*(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
