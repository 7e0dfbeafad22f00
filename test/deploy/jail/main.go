//go:build linux

// Jail runs a program as a container runtime does, with nothing but the kernel: `jail ROOT MIB PROGRAM ARGS...`. The folder ROOT becomes a
// file system that cannot be written, the program has MIB of memory for its data, no name, no rights and no way to get any, and only the
// system calls that deploy/systemd/notifier.service leaves it. It must be started in user and mount namespaces of its own, in which it may
// mount and user 65532 exists: confined_test.go does that. Whatever cannot be had ends it with 125: it never runs a program less confined.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// nobody is the user of the image, deploy/Dockerfile.
const nobody = 65532

// What package syscall has no names for: linux/prctl.h, linux/seccomp.h, linux/capability.h.
const (
	prSetNoNewPrivs = 38
	prSetSeccomp    = 22
	prCapBSetDrop   = 24
	prCapAmbient    = 47
	ambientClearAll = 4
	filterMode      = 2
	retAllow        = 0x7fff0000
	retErrno        = 0x00050000
	capVersion3     = 0x20080522
)

// refused are system calls of @privileged and @resources, and some that are not in @system-service at all.
var refused = []uintptr{
	syscall.SYS_MOUNT, syscall.SYS_UMOUNT2, syscall.SYS_PIVOT_ROOT, syscall.SYS_CHROOT, syscall.SYS_UNSHARE, syscall.SYS_PTRACE, syscall.SYS_INIT_MODULE,
	syscall.SYS_DELETE_MODULE, syscall.SYS_REBOOT, syscall.SYS_SWAPON, syscall.SYS_SWAPOFF, syscall.SYS_ACCT, syscall.SYS_SETTIMEOFDAY, syscall.SYS_CLOCK_SETTIME,
	syscall.SYS_ADJTIMEX, syscall.SYS_SETHOSTNAME, syscall.SYS_SETDOMAINNAME, syscall.SYS_PERF_EVENT_OPEN, syscall.SYS_PERSONALITY, syscall.SYS_SETUID, syscall.SYS_SETGID,
	syscall.SYS_SETGROUPS, syscall.SYS_SETREUID, syscall.SYS_SETREGID, syscall.SYS_SETRESUID, syscall.SYS_SETRESGID, syscall.SYS_CAPSET, syscall.SYS_FCHOWN, syscall.SYS_FCHOWNAT,
	syscall.SYS_SETRLIMIT, syscall.SYS_SETPRIORITY, syscall.SYS_SCHED_SETAFFINITY, syscall.SYS_SCHED_SETPARAM, syscall.SYS_SCHED_SETSCHEDULER, syscall.SYS_MBIND,
	syscall.SYS_SET_MEMPOLICY, syscall.SYS_MIGRATE_PAGES, syscall.SYS_MOVE_PAGES, syscall.SYS_QUOTACTL, syscall.SYS_MLOCK, syscall.SYS_MLOCKALL,
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: jail ROOT MIB PROGRAM ARGS...")
		os.Exit(125)
	}
	root, program := os.Args[1], os.Args[3:]
	mib, err := strconv.ParseUint(os.Args[2], 10, 32)
	must("read MIB", err)

	runtime.LockOSThread() // what follows is said of one thread, which becomes the program
	must("keep mounts to ourselves", syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""))
	must("mount the root", syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, ""))
	must("make the root read-only", syscall.Mount("", root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, ""))
	must("enter the root", syscall.Chdir(root))
	must("change the root", syscall.Chroot("."))

	must("limit the data", syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: mib << 20, Max: mib << 20}))
	if os.Getuid() != nobody { // who is not root is this user here already, and may not change it
		must("leave the groups", raw(syscall.SYS_SETGROUPS, 0, 0, 0))
		must("leave the group", raw(syscall.SYS_SETRESGID, nobody, nobody, nobody))
		must("leave the user", raw(syscall.SYS_SETRESUID, nobody, nobody, nobody))
	}
	for c := uintptr(0); ; c++ {
		if err := raw(syscall.SYS_PRCTL, prCapBSetDrop, c, 0); err == syscall.EINVAL && c > 30 { // the kernel has no more
			break
		} else {
			must("give up right "+strconv.Itoa(int(c)), err)
		}
	}
	must("give up all rights to keep", raw(syscall.SYS_PRCTL, prCapAmbient, ambientClearAll, 0))
	header, none := [2]uint32{capVersion3, 0}, [6]uint32{}
	must("give up all rights", raw(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0))
	must("get no new rights", raw(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0))
	f := filter()
	prog := syscall.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	must("refuse system calls", raw(syscall.SYS_PRCTL, prSetSeccomp, filterMode, uintptr(unsafe.Pointer(&prog))))
	must("run "+program[0], syscall.Exec(program[0], program, os.Environ()))
}

// filter answers EPERM to what is refused, as the unit's SystemCallErrorNumber, to sockets of other families than RestrictAddressFamilies
// has, and to memory that can be written and run, as MemoryDenyWriteExecute.
func filter() (f []syscall.SockFilter) {
	const (
		load, equal, anyBit, ret = syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K,
			syscall.BPF_JMP | syscall.BPF_JSET | syscall.BPF_K, syscall.BPF_RET | syscall.BPF_K
		eperm = retErrno | uint32(syscall.EPERM)
	)
	low := func(arg uint32) uint32 { // where the lower half of an argument stands in seccomp_data
		if at := 16 + 8*arg; binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
			return at
		} else {
			return at + 4
		}
	}
	add := func(code uint16, k uint32, yes, no uint8) {
		f = append(f, syscall.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
	}
	add(load, 0, 0, 0) // the number
	for _, nr := range refused {
		add(equal, uint32(nr), 0, 1)
		add(ret, eperm, 0, 0)
	}
	add(equal, syscall.SYS_SOCKET, 0, 6) // else: behind its return
	add(load, low(0), 0, 0)
	add(equal, syscall.AF_INET, 3, 0)
	add(equal, syscall.AF_INET6, 2, 0)
	add(equal, syscall.AF_UNIX, 1, 0)
	add(ret, eperm, 0, 0)
	add(ret, retAllow, 0, 0)
	add(equal, syscall.SYS_MMAP, 0, 5)
	add(load, low(2), 0, 0)
	add(anyBit, syscall.PROT_EXEC, 0, 2)
	add(anyBit, syscall.PROT_WRITE, 0, 1)
	add(ret, eperm, 0, 0)
	add(ret, retAllow, 0, 0)
	add(equal, syscall.SYS_MPROTECT, 0, 3)
	add(load, low(2), 0, 0)
	add(anyBit, syscall.PROT_EXEC, 0, 1)
	add(ret, eperm, 0, 0)
	add(ret, retAllow, 0, 0)
	return f
}

func raw(nr, a, b, c uintptr) error {
	if _, _, errno := syscall.RawSyscall6(nr, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "jail: %s: %v\n", what, err)
		os.Exit(125)
	}
}
