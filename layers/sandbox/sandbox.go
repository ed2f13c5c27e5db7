package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Version is part of the keys of layers that sandboxes make: it changes whenever what a command finds or may do does.
const Version = 2

// Sandbox runs commands in a tree of files, with tools of the building machine overlaid, and separated from the
// machine's processes, mounts and environment. Commands have no terminal, and a network only if it is asked for.
type Sandbox struct {
	Dir          string // scratch directory of its own, absolute
	Architecture string // of the tree
	Date         time.Time
	Tools, Tree  *tree.Tree
	Aside        *tree.Tree                 // lies at AsideDir, read-only and in memory, while the commands run; may be nil
	Serve        func(l net.Listener) error // serves a socket at SocketFile until it is closed; may be nil
	Network      bool                       // that of the building machine is theirs, too
	Emulator     string                     // to register for this sandbox, as binfmt_misc reads it; may be empty
	Free         int64                      // bytes of memory that its files may take, twice over; else they take the disk
	Warn         func(line string)          // is called for what the user should know; may be nil
}

// AsideDir is where Aside lies, and SocketFile the socket of Serve.
const (
	AsideDir   = "/run/pkbuild"
	SocketFile = AsideDir + "/socket"
)

// Run runs a command, calls each, if it is not nil, with every line of its output, and returns the changes that the command
// made to s.Tree, which itself stays as it is. It fails if the command fails. The contents of the changes lie in a file that
// stays open until nothing refers to it. Processes that the command leaves behind are ended, with a warning.
func (s Sandbox) Run(ctx context.Context, each func(line string), args ...string) (*tree.Tree, error) {
	if !filepath.IsAbs(s.Dir) {
		return nil, fmt.Errorf("sandbox directory %q is not absolute", s.Dir)
	}
	out, err := createChanges(s.Dir)
	if err != nil {
		return nil, err
	}
	start := time.Now().Truncate(time.Second)
	if err := s.run(ctx, out, each, args); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	changes, err := s.changes(out, start)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return changes, nil
}

func createChanges(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(dir, "changes.tar"))
}

// environment is what commands find; SOURCE_DATE_EPOCH is added.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
	"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "DEBCONF_NOWARNINGS=yes",
	"PERL_HASH_SEED=0", "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1",
}

func (s Sandbox) job(args []string) job {
	return job{
		Args: args, Env: append(environment, "SOURCE_DATE_EPOCH="+strconv.FormatInt(s.Date.Unix(), 10)), Memory: s.memory(),
		Emulator: s.Emulator, Aside: s.Aside != nil, Serve: s.Serve != nil, Network: s.Network,
	}
}

// ErrRoot is that scripts cannot run because the user is not root, nor root of a user namespace.
var ErrRoot = errors.New("scripts of packages need root, or to be root of a user namespace")

// NeedRoot returns ErrRoot unless this process is root of the machine or of a user namespace.
func NeedRoot() error {
	if os.Geteuid() != 0 {
		return ErrRoot
	}
	return nil
}

// changes reads the changes. Times of the build become that of the image.
func (s Sandbox) changes(f *os.File, start time.Time) (*tree.Tree, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	t, err := tree.ReadTar(f)
	if err != nil {
		return nil, fmt.Errorf("changes of the scripts: %w", err)
	}
	for name, n := range t.Walk() {
		if n.ModTime = n.ModTime.Truncate(time.Second); !n.ModTime.Before(start) {
			n.ModTime = s.Date
		}
		n.Xattrs = withoutOverlay(n.Xattrs)
		if old := s.Tree.Get(name); old != nil && (old.Type == tree.Char || old.Type == tree.Block) && n.Type == tree.Regular && n.Content.Size == 0 {
			n.Type, n.Major, n.Minor = old.Type, old.Major, old.Minor // which the tree had an empty file in place of
		}
	}
	if s.Architecture == Host() {
		return t, nil
	}
	return t, restore(t, s.Tools, s.Tree)
}

// withoutOverlay removes the overlay's own attributes, but for the mark of an opaque directory, which tree.Tree.Apply
// knows under the name that it has outside of user namespaces.
func withoutOverlay(xattrs map[string]string) map[string]string {
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

// memory returns the size of the tmpfs for all files, in bytes; 0 if the disk has them.
func (s Sandbox) memory() int64 {
	need := int64(256 << 20) // for what the scripts write
	for _, n := range s.Tree.Walk() {
		if n.Type == tree.Regular {
			need += n.Content.Size
		}
	}
	if 2*need > s.Free {
		return 0
	}
	return s.Free / 4 * 3
}

// Available returns how much memory, in bytes, processes can still get without swapping, within the limit of a container; 0
// if it is not known.
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
