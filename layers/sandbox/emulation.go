package sandbox

import (
	"context"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// Programs of the target that have no counterpart among the tools run in qemu-user, which the kernel starts for them:
// https://docs.kernel.org/admin-guide/binfmt-misc.html.

const binfmtDir = "/proc/sys/fs/binfmt_misc"

// header returns the first bytes of an architecture's programs, up to e_machine.
func header(architecture string) []byte {
	class := byte(elf.ELFCLASS64)
	if architecture == "armhf" || architecture == "i386" {
		class = byte(elf.ELFCLASS32)
	}
	return append([]byte{0x7f, 'E', 'L', 'F', class, byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT),
		0, 0, 0, 0, 0, 0, 0, 0, 0, byte(elf.ET_EXEC), 0}, byte(machines[architecture]), byte(machines[architecture]>>8))
}

// registered reports whether the kernel starts an emulator for an architecture in any root directory, and whether pkbuild
// registered it.
func registered(dir, architecture string) (found, ours bool) {
	entries, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range entries {
		text, err := os.ReadFile(name)
		if err == nil && handles(string(text), header(architecture)) {
			found = true
			ours = ours || filepath.Base(name) == entryName(architecture)
		}
	}
	return found, ours
}

// handles reports whether an entry of binfmt_misc is for programs with a header, and has the flag F: the kernel has opened
// the interpreter already.
func handles(entry string, header []byte) bool {
	fields := map[string]string{}
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields[strings.TrimSuffix(key, ":")] = value
	}
	magic, err := hex.DecodeString(fields["magic"])
	if _, enabled := fields["enabled"]; !enabled || err != nil || len(magic) == 0 || !strings.Contains(fields["flags"], "F") {
		return false
	}
	mask, _ := hex.DecodeString(fields["mask"])
	offset, err := strconv.Atoi(fields["offset"])
	if err != nil || offset+len(magic) > len(header) {
		return false
	}
	for i, b := range magic {
		m := byte(0xff)
		if i < len(mask) {
			m = mask[i]
		}
		if b&m != header[offset+i]&m {
			return false
		}
	}
	return true
}

func entryName(architecture string) string { return "pkbuild-" + architecture }

// registration returns the line that registers an emulator with binfmt_misc.
func registration(architecture string) (string, error) {
	for _, name := range []string{"qemu-" + emulators[architecture] + "-static", "qemu-" + emulators[architecture]} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		var magic, mask strings.Builder
		for i, b := range header(architecture) {
			m := 0xff
			switch i {
			case 7: // the ABI of the operating system
				m = 0
			case 16: // executable or shared object
				m = 0xfe
			}
			fmt.Fprintf(&magic, `\x%02x`, b)
			fmt.Fprintf(&mask, `\x%02x`, m)
		}
		return fmt.Sprintf(":%s:M:0:%s:%s:%s:F", entryName(architecture), magic.String(), mask.String(), program), nil
	}
	return "", fmt.Errorf("programs of %s need qemu-%s-static: install the package qemu-user-static",
		architecture, emulators[architecture])
}

// Emulation prepares the running of programs of an architecture, until release is called. line is for Sandbox.Emulator, so
// that each sandbox registers an emulator for itself; it is "" if the machine has one registered. Before Linux 6.7 root
// registers one for the machine instead, and the release of the last build that needs it removes it. Emulation fails if the
// machine has neither a registered emulator nor qemu-user.
func Emulation(ctx context.Context, architecture string) (line string, release func() error, err error) {
	none := func() error { return nil }
	found, ours := registered(binfmtDir, architecture)
	if found && !ours {
		return "", none, nil
	}
	if line, err = registration(architecture); err != nil {
		return "", nil, err
	}
	if inUserNamespace() || binfmtInNamespaces() {
		return line, none, nil
	}
	release, err = registerForMachine(ctx, architecture, line)
	return "", release, err
}

// binfmtInNamespaces reports whether a user namespace can have a binfmt_misc of its own: since Linux 6.7.
func binfmtInNamespaces() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 7
}

// machineLock is held shared by builds that need an emulator that was registered for the machine.
const machineLock = "/run/lock/pkbuild-binfmt"

func registerForMachine(ctx context.Context, architecture, line string) (release func() error, err error) {
	unlock, err := atomicfile.RLock(ctx, machineLock)
	if err != nil {
		return nil, err
	}
	if found, _ := registered(binfmtDir, architecture); !found {
		if err := binfmt(ctx, "register", line); err != nil {
			return nil, errors.Join(err, unlock())
		}
	}
	return func() error {
		if err := unlock(); err != nil {
			return err
		}
		unlock, err := atomicfile.TryLock(machineLock)
		if errors.Is(err, atomicfile.ErrLocked) { // another build needs it
			return nil
		}
		if err != nil {
			return err
		}
		if found, _ := registered(binfmtDir, architecture); found {
			err = binfmt(context.WithoutCancel(ctx), entryName(architecture), "-1")
		}
		return errors.Join(err, unlock())
	}, nil
}

// binfmt writes a line to a file of binfmt_misc, which it mounts for itself if it is not mounted.
func binfmt(ctx context.Context, file, line string) error {
	const script = `set -eu
[ -e "$1/register" ] || { mount --make-rprivate /; mount -t binfmt_misc binfmt_misc "$1"; }
printf '%s' "$3" >"$1/$2"`
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script, "sh", binfmtDir, file, line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if err := Exec(ctx, cmd, nil); err != nil {
		return fmt.Errorf("write %q to %s: %w", line, filepath.Join(binfmtDir, file), err)
	}
	return nil
}
