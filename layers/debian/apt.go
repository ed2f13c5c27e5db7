package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
)

// archive is a suite of an archive of packages, and who signs it.
type archive struct {
	mirror     string
	suite      string
	components []string
	keyring    string
}

// sources is the archive in the form of sources.list(5), deb822 style.
func (a archive) sources() string {
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n",
		a.mirror, a.suite, strings.Join(a.components, " "), a.keyring)
}

// id names the archive in a file name.
func (a archive) id() string {
	sum := sha256.Sum256([]byte(a.sources()))
	return a.suite + "-" + hex.EncodeToString(sum[:6])
}

// apt is a root of apt's own: its lists, no installed packages, and none of the building machine's configuration.
type apt struct {
	dir          string
	archive      archive
	architecture string
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
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`

// prepare writes the configuration.
func (a apt) prepare() error {
	for _, dir := range []string{"etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/apt.conf.d",
		"var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"apt.conf":                               fmt.Sprintf(aptConf, a.dir, a.architecture),
		"status":                                 "",
		"etc/apt/sources.list.d/archive.sources": a.archive.sources(),
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// resolve fetches the archive's lists, verifies their signatures, and returns the packages that a set of names and
// patterns (apt-patterns(7)) needs, without what they only recommend. Builds that share the root take turns.
func (a apt) resolve(ctx context.Context, names []string) (out []Package, err error) {
	if _, err := os.Stat(a.archive.keyring); err != nil {
		return nil, fmt.Errorf("keyring of the archive: %w (install the package debian-archive-keyring)", err)
	}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := layers.Lock(ctx, filepath.Join(a.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := a.prepare(); err != nil {
		return nil, err
	}
	if output, err := a.get(ctx, "update", "--error-on=any"); err != nil {
		return nil, fmt.Errorf("read the package lists of %s %s: %w", a.archive.mirror, a.archive.suite, complaint(err, output))
	}
	output, err := a.get(ctx, append([]string{"install", "--yes", "--print-uris"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("resolve the packages: %w", a.explain(ctx, err, output))
	}
	return parseURIs(output)
}

// get runs apt-get and returns its output.
func (a apt) get(ctx context.Context, args ...string) (string, error) {
	return a.run(ctx, "apt-get", args...)
}

func (a apt) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C.UTF-8")
	var output strings.Builder
	err := sandbox.Exec(ctx, cmd, func(line string) { output.WriteString(line + "\n") })
	return output.String(), err
}
