// Package script makes layers of what a script changes in the tree below them.
//
// The script runs in a sandbox as root, with the tree's own programs, in qemu-user where they are another
// architecture's. It is not the package's business whether the script does the same twice; docs/base.md says what it
// can count on.
package script

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// Layer is a layer that a script of the recipe makes by running in the root file system, with its input files and
// secrets.
type Layer struct {
	Architecture string        `json:"architecture"`
	Date         time.Time     `json:"date"` // of what it writes
	Script       string        `json:"script"`
	Inputs       []layers.File `json:"inputs,omitempty"` // by paths below InputsDir
	Network      bool          `json:"network,omitempty"`
	Secrets      []string      `json:"secrets,omitempty"` // names
}

// Directories in which a script finds its inputs and secrets.
const (
	InputsDir  = sandbox.AsideDir + "/inputs"
	SecretsDir = sandbox.AsideDir + "/secrets"
	scriptFile = "script"
)

// Kind returns the name and version of the layer kind "run".
func (Layer) Kind() layers.Kind {
	return layers.Kind{Name: "run", Version: 1, Code: fmt.Sprintf("sandbox %d", sandbox.Version), Copies: true}
}

// Make runs the script as root in the tree below and returns the changes that it made. It fails if the script fails, or
// leaves a secret or what sandbox.CheckResidue refuses.
func (l Layer) Make(ctx context.Context, env *layers.Env, below *tree.Tree) (t *tree.Tree, err error) {
	if err := sandbox.NeedRoot(); err != nil {
		return nil, err
	}
	hidden, err := l.secrets(env)
	if err != nil {
		return nil, err
	}
	aside, err := l.aside(ctx, env, hidden)
	if err != nil {
		return nil, err
	}
	emulator := ""
	if l.Architecture != sandbox.Host() {
		var release func() error
		if emulator, release, err = sandbox.Emulation(ctx, l.Architecture); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	s := sandbox.Sandbox{
		Dir:          filepath.Join(env.Scratch, "run"),
		Architecture: l.Architecture,
		Date:         l.Date,
		Tools:        tree.New(),
		Tree:         below,
		Aside:        aside,
		Network:      l.Network,
		Emulator:     emulator,
		Warn:         func(line string) { env.Report(layers.Progress{Message: hidden.mask(line), Warning: true}) },
	}
	if !env.Keep {
		s.Free = sandbox.Available()
	}
	began := time.Now()
	changes, err := s.Run(ctx, func(line string) { env.Report(layers.Progress{Message: hidden.mask(line)}) }, l.command()...)
	if err != nil {
		return nil, fmt.Errorf("run the script: %w", hidden.maskError(ctx, err))
	}
	sandbox.Tidy(changes)
	return changes, errors.Join(hidden.check(changes), sandbox.CheckResidue(changes, began))
}

// command returns the command that runs the script: the script itself if its first line names an interpreter.
func (l Layer) command() []string {
	name := path.Join(sandbox.AsideDir, scriptFile)
	if strings.HasPrefix(l.Script, "#!") {
		return []string{name}
	}
	return []string{"/bin/sh", "-eu", name}
}

// aside is what lies beside the tree while the script runs: the script, its inputs and its secrets.
func (l Layer) aside(ctx context.Context, env *layers.Env, s secrets) (*tree.Tree, error) {
	t := tree.New()
	file := func(name string, mode uint32, content []byte) error {
		return t.Put(name, &tree.Node{Type: tree.Regular, Mode: mode, ModTime: l.Date, Content: tree.Inline(content)})
	}
	if err := file(scriptFile, 0o755, []byte(l.Script)); err != nil {
		return nil, err
	}
	for name, value := range s {
		if err := file(path.Join("secrets", name), 0o400, value); err != nil {
			return nil, err
		}
	}
	inputs, err := layers.Files{Entries: l.Inputs}.Make(ctx, env, nil)
	if err != nil {
		return nil, fmt.Errorf("inputs: %w", err)
	}
	for name, n := range inputs.Walk() {
		if n.Type == tree.Directory {
			n = &tree.Node{Mode: n.Mode, ModTime: l.Date}
		}
		if err := t.Put(path.Join("inputs", name), n); err != nil {
			return nil, fmt.Errorf("inputs: %w", err)
		}
	}
	return t, nil
}
