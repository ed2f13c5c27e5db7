package sandbox

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

//go:embed sandbox.sh
var script string

// Script is the shell script that lays tools over a tree, for the keys of layers.
func Script() string { return script }

// Sandbox runs commands in a tree with tools laid over it, apart from the building machine's processes, mounts and
// environment, without a terminal, and without a network unless one is asked for.
type Sandbox struct {
	Dir          string // scratch directory of its own
	Architecture string // of the tree
	Date         time.Time
	Tools, Tree  *tree.Tree
	Aside        *tree.Tree // lies at AsideDir, read-only and in memory, while the commands run; may be nil
	Network      bool       // that of the building machine is theirs, too
	Emulator     string     // to register for this sandbox, as binfmt_misc reads it; may be empty
	Free         int64      // bytes of memory that its files may take, twice over; else they take the disk
}

// AsideDir is where Aside lies.
const AsideDir = "/run/pkbuild"

// Run runs a command and returns the changes that it made to the tree. Their contents lie in a file that stays open
// until nothing refers to it.
func (s Sandbox) Run(ctx context.Context, each func(line string), args ...string) (*tree.Tree, error) {
	if !filepath.IsAbs(s.Dir) {
		return nil, fmt.Errorf("a sandbox needs a directory of its own, and has %q", s.Dir)
	}
	files := filepath.Join(s.Dir, "files")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(s.Dir, "changes.tar"))
	if err != nil {
		return nil, err
	}
	start := time.Now().Truncate(time.Second)
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", script, "sandbox"}, args...)...)
	cmd.Dir = files
	// Commands can read the environment of the sandbox's first process: it holds nothing of ours.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		"OPTIONS=" + overlayOptions(),
		"MEMORY=" + s.memory(),
		"EMULATOR=" + s.Emulator,
		"ASIDE=" + yes(s.Aside != nil),
		"NETWORK=" + yes(s.Network),
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(s.Date.Unix(), 10),
	}
	namespaces := uintptr(syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS)
	if !s.Network {
		namespaces |= syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	if err := s.feed(ctx, cmd, out, each); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	changes, err := s.changes(out, start)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return changes, nil
}

// ErrRoot is that scripts cannot run because the user is not root, nor root of a user namespace.
var ErrRoot = errors.New("scripts of packages need root, or to be root of a user namespace")

// NeedRoot is an error for an ordinary user.
func NeedRoot() error {
	if os.Geteuid() != 0 {
		return ErrRoot
	}
	return nil
}

// yes is how the script is told of something: "yes" or nothing.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// changes reads what the command changed. Times of the build become that of the image.
func (s Sandbox) changes(f *os.File, start time.Time) (*tree.Tree, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	t, err := tree.ReadTar(f)
	if err != nil {
		return nil, fmt.Errorf("changes of the scripts: %w", err)
	}
	for _, n := range t.Walk() {
		if n.ModTime = n.ModTime.Truncate(time.Second); !n.ModTime.Before(start) {
			n.ModTime = s.Date
		}
		n.Xattrs = withoutBooks(n.Xattrs)
	}
	if s.Architecture == Host() {
		return t, nil
	}
	return t, restore(t, s.Tools, s.Tree)
}

// withoutBooks removes the attributes by which an overlay keeps its own books, but for the mark of an opaque directory,
// which layers.Tree.Apply knows. In a user namespace they have another prefix.
func withoutBooks(xattrs map[string]string) map[string]string {
	out := maps.Clone(xattrs)
	for name, value := range xattrs {
		for _, prefix := range []string{"trusted.overlay.", "user.overlay."} {
			own, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			delete(out, name)
			if own == "opaque" {
				out["trusted.overlay.opaque"] = value
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// overlayOptions keep the changes free of references to what lies below, let an ordinary user's namespace mount, and
// spare the disk where the kernel lets them.
func overlayOptions() string {
	if inUserNamespace() {
		return "userxattr,volatile"
	}
	return "redirect_dir=off,metacopy=off,index=off,volatile"
}

// memory tells whether the files go to memory.
func (s Sandbox) memory() string {
	need := int64(256 << 20) // for what the scripts write
	for _, n := range s.Tree.Walk() {
		if n.Type == tree.Regular {
			need += n.Content.Size
		}
	}
	return yes(2*need <= s.Free && !inUserNamespace()) // where a tmpfs has no attributes before Linux 6.6
}

// Available is how much memory, in bytes, processes can still get without swapping, or 0 where that is not known.
func Available() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	var free int64
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemAvailable:" {
			free, _ = strconv.ParseInt(fields[1], 10, 64)
			free *= 1024
		}
	}
	text, _ = os.ReadFile("/sys/fs/cgroup/memory.max") // a container's limit
	if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
		free = min(free, limit)
	}
	return free
}
