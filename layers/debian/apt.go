package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/internal/atomicfile"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// apt is a private root directory of apt: package lists, the installed packages of a tree, and no configuration of the
// building machine.
type apt struct {
	dir          string
	recipe       string // directory of the recipe, to which the files with keys are relative
	repositories []Repository
	architecture string
	base         inherited     // where packages are installed over a vendor's base: its sources
	installed    inherited     // where packages are installed over a tree: what it has; not part of the root
	timeout      time.Duration // without a byte
}

// in returns the root for a configuration in a directory that builds share; equal configurations share a root.
func (a apt) in(cache string) (apt, error) {
	data, err := json.Marshal(struct {
		Repositories []Repository
		Base         inherited `json:",omitempty"`
	}{a.repositories, a.base})
	if err != nil {
		return apt{}, err
	}
	name := "base"
	if a.base == nil {
		name = path.Base(a.repositories[0].Suites[0])
	}
	a.timeout = 30 * time.Second
	a.dir = filepath.Join(cache, "apt", fmt.Sprintf("%s-%.6x-%s", name, sha256.Sum256(data), a.architecture))
	return a, nil
}

const aptConf = `Dir "%[1]s/";
Dir::State::status "%[1]s/status";
Dir::Etc::trusted "/dev/null";
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Bin::solvers:: "/usr/lib/apt/solvers";
Dir::Bin::planners:: "/usr/lib/apt/planners";
Dir::Log "/dev/null";
APT::Architecture "%[2]s";
APT::Architectures { "%[2]s"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::ForceHash "SHA256";
Acquire::http::Timeout "%[3]d";
Acquire::https::Timeout "%[3]d";
`

// prepare writes the configuration files of apt.
func (a apt) prepare() error {
	for _, dir := range []string{"etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d", "keys",
		"var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{"apt.conf": fmt.Sprintf(aptConf, a.dir, a.architecture, a.timeout/time.Second)}
	for _, r := range a.repositories {
		keyring, err := a.keyring(r)
		if err != nil {
			return err
		}
		files["etc/apt/sources.list.d/"+r.Name+".sources"] = r.Sources(keyring)
	}
	for name, text := range a.base {
		files[name] = strings.ReplaceAll(string(text), rootMark, a.dir)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return a.setInstalled()
}

// setInstalled writes the list of installed packages. Apt's cache compares only size and time, in seconds, of that file.
func (a apt) setInstalled() error {
	for _, name := range []string{aptStatus, autoFile} {
		if err := os.WriteFile(filepath.Join(a.dir, name), a.installed[name], 0o644); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(a.dir, "var/cache/apt/pkgcache.bin"))
}

// resolve fetches the package lists, verifies their signatures, and returns, for each set of names and patterns
// (apt-patterns(7)), the packages and dependencies that no earlier set has, without recommended ones. It locks the root.
func (a apt) resolve(ctx context.Context, sets ...[]string) (out [][]Package, err error) {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := atomicfile.Lock(ctx, filepath.Join(a.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := a.prepare(); err != nil {
		return nil, err
	}
	if output, err := a.get(ctx, "update", "--error-on=any"); err != nil {
		return nil, a.blame(err, output)
	}
	for i, names := range sets {
		if i > 0 {
			if a.installed, err = a.with(ctx, out[i-1]); err != nil {
				return nil, err
			}
			if err := a.setInstalled(); err != nil {
				return nil, err
			}
		}
		pkgs, err := a.install(ctx, names)
		if err != nil {
			return nil, err
		}
		out = append(out, pkgs)
	}
	return out, nil
}

// install returns the packages that names need in addition to the installed ones, which keep their versions.
func (a apt) install(ctx context.Context, names []string) ([]Package, error) {
	args := []string{"install", "--yes", "--print-uris"}
	if a.installed != nil {
		args = append(args, "--no-remove", "--no-upgrade")
	}
	output, err := a.get(ctx, append(args, names...)...)
	if err != nil {
		return nil, fmt.Errorf("resolve the packages: %w", a.explain(ctx, err, output))
	}
	return parseURIs(output)
}

// with returns the list of installed packages plus some packages of the package lists.
func (a apt) with(ctx context.Context, pkgs []Package) (inherited, error) {
	args, upgraded := []string{"show"}, map[string]bool{}
	for _, p := range pkgs {
		args, upgraded[p.Name] = append(args, p.Name+"="+p.Version), true
	}
	var status, shown bytes.Buffer
	for text := range strings.SplitSeq(string(a.installed[aptStatus]), "\n\n") {
		if s := parseStanza(text); len(s) > 0 && (!upgraded[s["package"]] || s["architecture"] != a.architecture && s["architecture"] != "all") {
			status.WriteString(strings.TrimRight(text, "\n") + "\n\n")
		}
	}
	if len(pkgs) > 0 {
		cmd := a.command(ctx, "apt-cache", args...)
		cmd.Stdout = &shown
		if err := sandbox.Exec(ctx, cmd, nil); err != nil {
			return nil, fmt.Errorf("read the package lists: %w", err)
		}
	}
	for line := range strings.Lines(shown.String()) {
		status.WriteString(line)
		if strings.HasPrefix(line, "Package: ") {
			status.WriteString("Status: install ok installed\n")
		}
	}
	return inherited{aptStatus: status.Bytes(), autoFile: a.installed[autoFile]}, nil
}

// get runs apt-get and returns its standard output.
func (a apt) get(ctx context.Context, args ...string) (string, error) {
	return a.run(ctx, "apt-get", args...)
}

func (a apt) run(ctx context.Context, program string, args ...string) (string, error) {
	var output strings.Builder
	err := sandbox.Exec(ctx, a.command(ctx, program, args...), func(line string) { output.WriteString(line + "\n") })
	return output.String(), err
}

func (a apt) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C.UTF-8")
	return cmd
}
