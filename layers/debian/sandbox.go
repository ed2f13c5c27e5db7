package debian

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
)

//go:embed sandbox.sh
var sandboxScript string

// sandbox runs commands in a tree with tools laid over it, without a network and apart from the building machine's
// processes and mounts.
type sandbox struct {
	dir          string // scratch directory of its own
	architecture string // of the tree
	date         time.Time
	tools, tree  *layers.Tree
	emulator     string // to register for this sandbox, as binfmt_misc reads it; may be empty
}

// run runs a command and returns the changes that it made to the tree.
func (s sandbox) run(ctx context.Context, each func(line string), args ...string) (*layers.Tree, error) {
	for _, name := range []string{"tools", "tree", "upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := writeTree(ctx, s.tree, s.path("tree")); err != nil {
		return nil, fmt.Errorf("write the tree: %w", err)
	}
	if err := writeTree(ctx, s.tools, s.path("tools")); err != nil {
		return nil, fmt.Errorf("write the tools: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", sandboxScript, "sandbox"}, args...)...)
	cmd.Env = append(os.Environ(),
		"LOWER="+s.path("tools")+":"+s.path("tree"),
		"UPPER="+s.path("upper"),
		"WORK="+s.path("work"),
		"ROOT="+s.path("root"),
		"OPTIONS="+overlayOptions(),
		"EMULATOR="+s.emulator,
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(s.date.Unix(), 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET,
	}
	start := time.Now().Truncate(time.Second)
	if err := run(ctx, cmd, each); err != nil {
		return nil, err
	}
	changes, err := readTree(s.path("upper"))
	if err != nil {
		return nil, err
	}
	for _, n := range changes.Walk() {
		if !n.ModTime.Before(start) {
			n.ModTime = s.date
		}
	}
	if s.architecture == hostArchitecture() {
		return changes, nil
	}
	return changes, restore(changes, s.tools, s.tree)
}

// overlayOptions keep the changes free of references to what lies below, and let an ordinary user's namespace mount.
func overlayOptions() string {
	if inUserNamespace() {
		return "userxattr"
	}
	return "redirect_dir=off,metacopy=off,index=off"
}

func (s sandbox) path(name string) string { return filepath.Join(s.dir, name) }
