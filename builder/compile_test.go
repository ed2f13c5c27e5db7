package builder

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/debian"
	"github.com/PlanktoScope/pkbuild/recipes"
	"github.com/PlanktoScope/pkbuild/stages/pallet/mirror"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// programs are digests in place of those of the programs that go into images.
var programs = map[string]string{"pkinit": "0000", "pkctl": "1111", "pkcontroller": "2222", "pksegmenter": "3333"}

// shippedOptions are options of Gather for the shipped recipes, with a stand-ins for the images with the instrument's programs.
func shippedOptions(t *testing.T) GatherOptions {
	t.Helper()
	dir := t.TempDir()
	ociLayout(t, dir, "controller", "pkcontroller", "a program\n")
	segmenter := t.TempDir()
	ociLayout(t, segmenter, "segmenter", "pksegmenter", "a program\n")
	return GatherOptions{Cache: t.TempDir(), Mirrors: mirror.Mirrors{
		"ghcr.io/planktoscope/pkcontroller": "oci:" + dir, "ghcr.io/planktoscope/pksegmenter": "oci:" + segmenter,
	}}
}

// compileShipped compiles a shipped recipe.
func compileShipped(t *testing.T, name string) *Plan {
	r, err := recipes.Load(filepath.Join("../recipes", name+".yml"), recipes.Options{})
	require.NoError(t, err)
	p, err := compile(t, r, shippedOptions(t))
	require.NoError(t, err)
	return p
}

func TestPlansOfShippedRecipes(t *testing.T) {
	for _, name := range []string{"planktoscope"} {
		got, err := json.MarshalIndent(compileShipped(t, name), "", "  ")
		require.NoError(t, err)
		golden := filepath.Join("testdata", name+".plan.json")
		if *update {
			require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got)+"\n", "if the change is meant: go test ./builder -update")
	}
}

// TestRaspiosDiffersInItsBaseOnly: the layers over the base are the same.
func TestRaspiosDiffersInItsBaseOnly(t *testing.T) {
	debian, raspios := compileShipped(t, "planktoscope"), compileShipped(t, "raspios")
	names := func(p *Plan) (out []string) {
		for _, l := range p.Layers {
			out = append(out, l.Name)
		}
		return out
	}
	require.Equal(t, []string{"debian", "repositories", "files", "run", "files", "files", "users", "stage", "boot"}, names(debian))
	require.Equal(t, []string{"image", "debian", "files", "run", "files", "files", "users", "stage", "boot"}, names(raspios))
	require.Equal(t, debian.Layers[4:8], raspios.Layers[4:8])
	require.Equal(t, debian.Disk.Partitions[1], raspios.Disk.Partitions[1])
	require.Equal(t, debian.Name, raspios.Name)
}

// TestAbsolutePaths: absolute and relative paths in a recipe, and of the recipe, give the same plan and lock.
func TestAbsolutePaths(t *testing.T) {
	dir := loaded(t).Dir
	t.Chdir(dir)
	compiled := func(name, at string) (*Plan, []lock.Pallet) {
		t.Helper()
		text := strings.NewReplacer("AT", at).Replace(`name: buoy
base: {debian: {suite: trixie}}
repositories: [{name: vendor, uris: ["http://vendor.example"], suites: [./], signed-by: ATkeys/vendor.asc}]
layers:
  - files: [{target: /srv, source: ATpallet}, {target: /etc/keys, source: ATkeys/vendor.asc}]
  - run: {file: ATpallet/a/b, inputs: [ATkeys]}
  - stage: {pallet: ATpallet}
`)
		require.NoError(t, os.WriteFile("inner.yml", []byte(text), 0o600))
		require.NoError(t, os.WriteFile("outer.yml", []byte("include: ["+at+"inner.yml]\n"), 0o600))
		r, err := recipes.Load(name, recipes.Options{})
		require.NoError(t, err)
		p, err := compile(t, r, GatherOptions{})
		require.NoError(t, err)
		return p, request(t, r).Pallets
	}
	want, pinned := compiled("outer.yml", "")
	for _, name := range []string{"outer.yml", dir + "/outer.yml"} {
		got, pallets := compiled(name, dir+"/")
		require.Equal(t, want.Layers[2:], got.Layers[2:], "but for where the keys of repositories lie")
		require.Equal(t, pinned[0].SHA256, pallets[0].SHA256)
	}
}

func TestPlanReadsBack(t *testing.T) {
	want := compileShipped(t, "planktoscope")
	data, err := json.Marshal(want)
	require.NoError(t, err)
	var got Plan
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, want, &got)
	require.EqualError(t, json.Unmarshal([]byte(`{"layers":[{"name":"x","kind":"y"}]}`), &got), `layer x: plan has a layer of the unknown kind "y"`)
}

// write writes files to a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	}
	return dir
}

func TestFileEntriesDoNotDependOnTheUmask(t *testing.T) {
	dir := write(t, map[string]string{"src/bin/run": "#!/bin/sh\n", "src/etc/conf": "x\n"})
	require.NoError(t, os.Chmod(filepath.Join(dir, "src/bin/run"), 0o700))
	require.NoError(t, os.Symlink("../bin/run", filepath.Join(dir, "src/etc/link")))
	files := []recipes.File{
		{Target: "/", Source: "src"},
		{Target: "/etc/single", Source: "src/etc/conf", Mode: "0600", UID: 7},
		{Target: "/srv", Source: "src", Exclude: []string{"etc"}},
		{Target: "/etc/text", Content: "text\n"},
		{Target: "/etc/to", Link: "text"},
		{Target: "/home", Source: "src", UID: 7, GID: 7},
		{Target: "/usr/bin/pkctl", Program: "pkctl"},
		{Target: "/opt/pkctl", Program: "pkctl", Mode: "0700"},
	}
	c := compiler{sources: gather(t, &recipes.Recipe{Dir: dir, Layers: []recipes.Layer{{Files: files}}}), programs: programs, plan: &Plan{Architecture: layers.Pi}}
	got, err := c.fileEntries(files)
	require.NoError(t, err)
	const conf, run = "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac", "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf"
	require.Equal(t, []layers.File{
		{Path: "/bin/run", Type: "file", Mode: 0o755, Source: "src/bin/run", SHA256: run},
		{Path: "/etc/conf", Type: "file", Mode: 0o644, Source: "src/etc/conf", SHA256: conf},
		{Path: "/etc/link", Type: "symlink", Mode: 0o777, Target: "../bin/run"},
		{Path: "/etc/single", Type: "file", Mode: 0o600, UID: 7, Source: "src/etc/conf", SHA256: conf},
		{Path: "/srv/bin/run", Type: "file", Mode: 0o755, Source: "src/bin/run", SHA256: run},
		{Path: "/etc/text", Type: "file", Mode: 0o644, Content: "text\n"},
		{Path: "/etc/to", Type: "symlink", Mode: 0o777, Target: "text"},
		{Path: "/home/bin", Type: "directory", Mode: 0o755, UID: 7, GID: 7},
		{Path: "/home/bin/run", Type: "file", Mode: 0o755, UID: 7, GID: 7, Source: "src/bin/run", SHA256: run},
		{Path: "/home/etc", Type: "directory", Mode: 0o755, UID: 7, GID: 7},
		{Path: "/home/etc/conf", Type: "file", Mode: 0o644, UID: 7, GID: 7, Source: "src/etc/conf", SHA256: conf},
		{Path: "/home/etc/link", Type: "symlink", Mode: 0o777, UID: 7, GID: 7, Target: "../bin/run"},
		{Path: "/usr/bin/pkctl", Type: "file", Mode: 0o755, Program: "pkctl", SHA256: "1111"},
		{Path: "/opt/pkctl", Type: "file", Mode: 0o700, Program: "pkctl", SHA256: "1111"},
	}, got)
}

func TestAptMirror(t *testing.T) {
	require.Equal(t, "http://mirror.example/debian", aptMirror("Ubuntu Ubuntu http://u.example\n"+
		"Debian Debian-Security http://s.example/debian-security/\nDebian Debian http://mirror.example/debian/\n"))
	require.Equal(t, debian.DefaultMirror, aptMirror("Ubuntu Ubuntu http://u.example\n"))
	require.Equal(t, debian.DefaultMirror, aptMirror(""))
}
