package debian

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
)

//go:embed sandbox.sh
var sandboxScript string

// sandbox runs commands in a tree with tools laid over it, without a network and apart from the building machine's
// processes and mounts.
type sandbox struct {
	dir   string // scratch directory of its own
	date  time.Time
	tools *layers.Tree
	tree  *layers.Tree
}

// run runs a command and returns the changes that it made to the tree.
func (s sandbox) run(ctx context.Context, each func(line string), args ...string) (*layers.Tree, error) {
	for _, name := range []string{"tools", "tree", "upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := writeTree(s.tree, s.path("tree")); err != nil {
		return nil, fmt.Errorf("write the tree: %w", err)
	}
	if err := writeTree(s.tools, s.path("tools")); err != nil {
		return nil, fmt.Errorf("write the tools: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", sandboxScript, "sandbox"}, args...)...)
	cmd.Env = append(os.Environ(),
		"LOWER="+s.path("tools")+":"+s.path("tree"),
		"UPPER="+s.path("upper"),
		"WORK="+s.path("work"),
		"ROOT="+s.path("root"),
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(s.date.Unix(), 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET,
	}
	if err := run(strings.Join(args, " "), cmd, each); err != nil {
		return nil, err
	}
	return readTree(s.path("upper"))
}

func (s sandbox) path(name string) string { return filepath.Join(s.dir, name) }
