package pallet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is where the real pallets and what Forklift made of them lie, beside the repository.
const shared = "../../../shared"

// sharedFile returns the path of a file or directory of shared.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	name = filepath.Join(shared, name)
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("PKBUILD_TEST_STRICT") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return name
}

func bundleOf(t *testing.T, dir string, options Options) *Bundle {
	t.Helper()
	p, err := Read(dir)
	require.NoError(t, err)
	b, err := p.Bundle(options)
	require.NoError(t, err)
	return b
}

// line is a file of a bundle in one line, as find -printf '%y %m %P\t%l' would print it.
func line(f File) string {
	kind := map[fs.FileMode]string{0: "f", fs.ModeDir: "d", fs.ModeSymlink: "l"}[f.Mode.Type()]
	return fmt.Sprintf("%s %o %s\t%s", kind, f.Mode.Perm(), f.Path, f.Target)
}

// linesBelow are the lines of what lies below a directory of a bundle, relative to it.
func linesBelow(b *Bundle, dir string) []string {
	lines := []string{}
	for _, f := range b.Files {
		if rel, ok := strings.CutPrefix(f.Path, dir+"/"); ok {
			f.Path = rel
			lines = append(lines, line(f))
		}
	}
	return lines
}

func TestBundleOfStandardPallet(t *testing.T) {
	b := bundleOf(t, "../../recipes/pallets/standard", Options{Version: "v1.2.3", Clean: true})
	require.Equal(t, []string{
		"d 755 etc\t",
		"f 644 etc/motd\t",
		"d 755 etc/systemd\t",
		"d 755 etc/systemd/system\t",
		"d 755 etc/systemd/system/multi-user.target.wants\t",
		"l 777 etc/systemd/system/multi-user.target.wants/planktoscope-org.device-backend.controller-simulator.service\t" +
			"../../../../usr/lib/systemd/system/planktoscope-org.device-backend.controller-simulator.service",
		"l 777 etc/systemd/system/multi-user.target.wants/" +
			"planktoscope-org.device-backend.processing.segmenter-simulator.service\t" +
			"../../../../usr/lib/systemd/system/planktoscope-org.device-backend.processing.segmenter-simulator.service",
		"d 755 usr\t",
		"d 755 usr/lib\t",
		"d 755 usr/lib/systemd\t",
		"d 755 usr/lib/systemd/system\t",
		"f 644 usr/lib/systemd/system/planktoscope-org.device-backend.controller-simulator.service\t",
		"f 644 usr/lib/systemd/system/planktoscope-org.device-backend.processing.segmenter-simulator.service\t",
		"d 755 usr/libexec\t",
		"d 755 usr/libexec/planktoscope\t",
		"f 755 usr/libexec/planktoscope/controller-simulator\t",
		"f 755 usr/libexec/planktoscope/segmenter-simulator\t",
	}, linesBelow(b, "exports/overlays"))
	require.Contains(t, string(b.Manifest), "  version: v1.2.3\n  clean: true\n")
}

func TestBundleOfOverlaysExample(t *testing.T) {
	b := bundleOf(t, sharedFile(t, "pallets/pallet-example-overlays"), Options{})
	lines := linesBelow(b, "exports")
	// The enablement link is a file with the link's text where symlinks are not checked out.
	const wants = "overlays/etc/systemd/system/multi-user.target.wants/hello-world.service\t"
	require.Contains(t, []string{"f 644 " + wants, "l 777 " + wants + "../hello-world.service"}, lines[len(lines)-1])
	require.Equal(t, []string{
		"d 755 overlays\t",
		"d 755 overlays/etc\t",
		"f 644 overlays/etc/hostname\t",
		"d 755 overlays/etc/systemd\t",
		"d 755 overlays/etc/systemd/system\t",
		"f 644 overlays/etc/systemd/system/hello-world.service\t",
		"d 755 overlays/etc/systemd/system/multi-user.target.wants\t",
	}, lines[:len(lines)-1])
}
