package pallet

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

const (
	standardPallet = "../../recipes/pallets/standard"
	baseFiles      = "../../recipes/files/base"
	unitsDir       = "usr/lib/systemd/system"
)

// standIns are the programs and units of the base system that the pallet's units refer to.
var standIns = map[string]string{
	"basic.target":             "[Unit]\nDescription=Stand-in\n",
	"mosquitto.service":        "[Service]\nExecStart=/usr/bin/stand-in\n",
	"multi-user.target":        "[Unit]\nDescription=Stand-in\n",
	"shutdown.target":          "[Unit]\nDescription=Stand-in\n",
	"sshd-keygen.service":      "[Service]\nType=oneshot\nExecStart=/usr/bin/stand-in\n",
	"sysinit.target":           "[Unit]\nDescription=Stand-in\n",
	"systemd-networkd.socket":  "[Socket]\nListenStream=/run/stand-in\n",
	"systemd-networkd.service": "[Service]\nExecStart=/usr/bin/stand-in\n",
}

// device builds the part of a device's root file system that units depend on, and returns the paths of the units.
func device(t *testing.T) (root string, units []string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range standIns {
		lay(t, root, File{Path: unitsDir + "/" + name, Mode: 0o644, Content: []byte(content)})
		units = append(units, name)
	}
	lay(t, root, File{Path: "usr/bin/stand-in", Mode: 0o755})
	require.NoError(t, os.CopyFS(root, os.DirFS(baseFiles)))
	for _, f := range bundleOf(t, standardPallet, Options{Downloads: placeholder{t.TempDir()}}).Files {
		name, ok := strings.CutPrefix(f.Path, exportsDir+"/overlays/")
		if !ok || f.Mode.IsDir() {
			continue
		}
		f.Path = name
		lay(t, root, f)
		if filepath.Dir(name) == unitsDir {
			units = append(units, filepath.Base(name))
		}
	}
	return root, units
}

// placeholder is a Downloader of empty programs.
type placeholder struct{ dir string }

func (p placeholder) Fetch(_ context.Context, d Download) (dir, name string, err error) {
	return p.dir, d.Source, os.WriteFile(filepath.Join(p.dir, d.Source), nil, 0o755)
}

// lay writes a file of a bundle to the root file system.
func lay(t *testing.T, root string, f File) {
	t.Helper()
	name := filepath.Join(root, f.Path)
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	if f.Mode.Type() == fs.ModeSymlink {
		require.NoError(t, os.Symlink(f.Target, name))
		return
	}
	require.NoError(t, os.WriteFile(name, []byte(contentOf(t, f)), f.Mode))
}

// verify returns the complaints of systemd-analyze verify; "" without any.
func verify(t *testing.T, root string, units []string) string {
	t.Helper()
	arguments := append([]string{"verify", "--man=no", "--root=" + root}, units...)
	out, err := exec.Command(needs.Program(t, "systemd-analyze"), arguments...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return strings.ReplaceAll(string(out), root+"/"+unitsDir+"/", "")
}

func TestUnitsOfStandardPallet(t *testing.T) {
	root, units := device(t)
	require.Contains(t, units, "planktoscope-org.device-backend.controller.service")
	require.Contains(t, units, "planktoscope-org.device-backend.processing.segmenter.service")
	require.Empty(t, verify(t, root, units))
}

// TestMistakesInUnits checks that TestUnitsOfStandardPallet finds a mistake in any of its files.
func TestMistakesInUnits(t *testing.T) {
	const unit = "planktoscope-org.device-backend.controller.service"
	for name, test := range map[string]struct{ file, old, new, want string }{
		"directive": {
			unitsDir + "/" + unit, "Restart=", "Restrat=",
			unit + ":10: Unknown key 'Restrat' in section [Service], ignoring.",
		},
		"program": {
			unitsDir + "/" + unit, "/pkcontroller --", "/pkcontroler --",
			"Command /usr/libexec/planktoscope/pkcontroler is not executable: No such file or directory",
		},
		"directive of a drop-in": {
			unitsDir + "/sshd-keygen.service.d/10-missing-keys.conf", "ConditionPathIsReadWrite=", "ConditionPathIsReadWrit=",
			"Unknown key 'ConditionPathIsReadWrit' in section [Unit], ignoring.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, units := device(t)
			data, err := os.ReadFile(filepath.Join(root, test.file))
			require.NoError(t, err)
			require.Contains(t, string(data), test.old)
			data = []byte(strings.Replace(string(data), test.old, test.new, 1))
			require.NoError(t, os.WriteFile(filepath.Join(root, test.file), data, 0o644))
			require.Contains(t, verify(t, root, units), test.want)
		})
	}
}

// TestEnabledUnits follows the links by which units are enabled.
func TestEnabledUnits(t *testing.T) {
	dir, _ := device(t)
	links, err := filepath.Glob(filepath.Join(dir, "etc/systemd/system/*.wants/*"))
	require.NoError(t, err)
	require.Len(t, links, 4)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	for _, link := range links {
		name, err := filepath.Rel(dir, link)
		require.NoError(t, err)
		_, err = root.Stat(name)
		require.NoError(t, err)
	}
}
