package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/docker/images"
)

func TestStages(t *testing.T) {
	d, _ := newDevice(t)
	put(t, d.Store, map[string]string{
		"3/forklift-bundle.yml": strings.Replace(bundle, "clean: true", "clean: false", 1),
		"1/forklift-bundle.yml": "forklift-version: v0.8.0\npallet: {path: example.org/pallet}\n",
		"boot-state.json":       `{"version": 1, "stages": {"3": {"attempts": 2, "result": "pending"}}}`,
		"5/pallet/half":         "",
	})
	all, err := d.Stages()
	require.NoError(t, err)
	var got []string
	for _, s := range all {
		got = append(got, strings.Join([]string{s.State, strings.Join(s.Roles, "+"), strings.Join(s.Names, "+"), s.Version()}, " "))
	}
	require.Equal(t, []string{
		"good rollback factory-reset (not committed)", "good running+current  v1.0.0", "pending next  v1.0.0 (changed)",
		"unused   v1.0.0", "incomplete   ",
	}, got)
	require.Equal(t, []bool{true, false, true, false, false},
		[]bool{all[0].Changed, all[1].Changed, all[2].Changed, all[3].Changed, all[4].Changed})
	require.Equal(t, "bundle is incomplete: no forklift-bundle.yml", all[4].Problem)

	s, err := d.Show("next")
	require.NoError(t, err)
	require.Equal(t, 3, s.Stage)
	require.Equal(t, 2, s.Attempts)
	put(t, d.Store, map[string]string{stages.StoreFile: "staged: {next: 3, next-failed: true}"})
	s, err = d.Show("3")
	require.NoError(t, err)
	require.Equal(t, "failed", s.State)
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, d.Names())
}

func TestResolveErrors(t *testing.T) {
	d, _ := newDevice(t)
	for name, message := range map[string]string{
		"9":      "no stage 9 in " + d.Store + ": it has 1, 2, 3, 4",
		"spring": `stage "spring" is unknown: give a number or one of factory-reset, `,
	} {
		_, err := d.Resolve(name)
		require.ErrorContains(t, err, message)
		_, err = d.Rollback(t.Context())
		require.NoError(t, err)
	}
	put(t, d.Store, map[string]string{stages.StoreFile: "staged: ["})
	n, err := d.Resolve("2")
	require.NoError(t, err, "a number needs no store file")
	require.Equal(t, 2, n)
	_, err = d.Resolve("factory-reset")
	require.ErrorContains(t, err, "parse forklift-stage-store.yml: ")
	_, err = d.Name(t.Context(), "x", "2")
	require.ErrorContains(t, err, "(to start with an empty store, which keeps the bundles, move forklift-stage-store.yml away)")

	d.Store = t.TempDir()
	_, err = d.Resolve("1")
	require.EqualError(t, err, "stage store "+d.Store+" has no stages: stage a pallet with pkctl pallet switch")
	d.Store = filepath.Join(d.Store, "none")
	_, err = d.Resolve("1")
	require.EqualError(t, err, "stage store "+d.Store+": no such file or directory "+
		"(stage a pallet with pkctl pallet switch, or name another directory with --store)")
	put(t, filepath.Dir(d.Store), map[string]string{"none": ""})
	_, err = d.Resolve("1")
	require.EqualError(t, err, "stage store "+d.Store+": not a directory (name a directory with --store)")
}

func TestSetNext(t *testing.T) {
	d, fake := newDevice(t)
	n, err := d.SetNext(t.Context(), "factory-reset", false)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, d.NextBoot().Stage)
	require.Empty(t, fake.calls, "a stage without images needs no Docker")
	n, err = d.SetNext(t.Context(), device.None, false)
	require.NoError(t, err)
	require.Zero(t, n)
	next := d.NextBoot()
	require.Zero(t, next.Stage)
	require.Equal(t, "no stage was set as the next one", next.Reason)
	require.Empty(t, next.Problems)

	put(t, d.Store, withApp(4))
	_, err = d.SetNext(t.Context(), "4", false)
	require.NoError(t, err)
	require.True(t, fake.has("docker.io/library/caddy:2"))
	fake.images, fake.refused = map[string]docker.Image{}, errors.New("manifest unknown")
	var events []images.Event
	d.OnFetch = func(e images.Event) { events = append(events, e) }
	_, err = d.SetNext(t.Context(), "4", false)
	require.EqualError(t, err, "stage 4 was not made next: image docker.io/library/caddy:2: manifest unknown\n"+
		"(once there is a network: pkctl stage set-next 4; without a network: pkctl stage import; "+
		"to make it next nevertheless: pkctl stage set-next 4 --no-fetch)")
	require.NotEmpty(t, events)
	fake.down = docker.ErrUnavailable
	_, err = d.SetNext(t.Context(), "4", false)
	require.ErrorContains(t, err, "(install or start Docker (systemctl start docker), then: pkctl stage set-next 4;")
	_, err = d.SetNext(t.Context(), "4", true)
	require.NoError(t, err)

	put(t, d.Store, map[string]string{"4/packages/a/compose.yml": "services: ["})
	_, err = d.SetNext(t.Context(), "4", false)
	require.ErrorContains(t, err, "(to make it next nevertheless: pkctl stage set-next 4 --no-fetch)")
	require.NoError(t, os.Remove(filepath.Join(d.Store, "4/forklift-bundle.yml")))
	_, err = d.SetNext(t.Context(), "4", true)
	require.EqualError(t, err, "stage 4 cannot be next: bundle is incomplete: no forklift-bundle.yml")
}

// withApp makes a stage one with a Compose app.
func withApp(stage int) map[string]string {
	dir := map[int]string{3: "3/", 4: "4/"}[stage]
	return map[string]string{
		dir + "forklift-bundle.yml":              bundle + "deploys: {a: {package: /a}}\n",
		dir + "packages/a/forklift-package.yml":  "deployment: {compose-files: [compose.yml]}\n",
		dir + "packages/a/compose.yml":           "services: {main: {image: \"caddy:2\"}}\n",
		dir + "packages/forklift-repository.yml": "forklift-version: v0.8.0\nrepository: {path: /}\n",
	}
}

func TestNames(t *testing.T) {
	d, _ := newDevice(t)
	n, err := d.Name(t.Context(), "field", "current")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{"1", "2", "3", "4", "factory-reset", "field"}, d.Names())
	require.NoError(t, d.Unname(t.Context(), "field"))
	require.EqualError(t, d.Unname(t.Context(), "field"), `stage name "field" is unknown`)
	_, err = d.Name(t.Context(), "x", "9")
	require.ErrorContains(t, err, "no stage 9 in ")
}

func TestRemove(t *testing.T) {
	d, _ := newDevice(t)
	for name, message := range map[string]string{
		"2": "stage 2 is running: start another one first",
		"3": "stage 3 is started by the next boot: choose another one with pkctl stage set-next first",
		"9": "no stage 9 in " + d.Store + ": it has 1, 2, 3, 4",
	} {
		_, err := d.Remove(t.Context(), name, true)
		require.EqualError(t, err, message)
	}
	runs(t, d, 3)
	_, err := d.Remove(t.Context(), "2", true)
	require.EqualError(t, err, "stage 2 is the fallback stage: it cannot be removed until another stage is marked good")
	_, err = d.Remove(t.Context(), "1", false)
	require.EqualError(t, err, "stage 1 is factory-reset, which the device came with and pkctl reset goes back to: --force deletes it")
	put(t, d.Store, withApp(4))
	n, err := d.Remove(t.Context(), "4", false)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	record, err := images.ReadRecord(d.Store)
	require.NoError(t, err)
	require.Equal(t, "docker.io/library/caddy:2", record.Images[0].Name, "prune finds its images later")
	_, err = d.Remove(t.Context(), "1", true)
	require.NoError(t, err)
	all, err := d.Stages()
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, numbers(all))
	require.NoError(t, os.WriteFile(d.Boot, []byte("{"), 0o644))
	_, err = d.Remove(t.Context(), "3", true)
	require.ErrorContains(t, err, "parse the boot report")
}

func TestPrune(t *testing.T) {
	d, fake := newDevice(t)
	put(t, d.Store, withApp(4))
	fake.images["docker.io/library/caddy:2"] = docker.Image{Os: "linux", Architecture: "arm64"}
	p, err := d.Prune(t.Context(), true)
	require.NoError(t, err)
	require.Equal(t, device.Pruned{Removed: []int{4}, Images: []string{"docker.io/library/caddy:2"}, Kept: []string{}, DryRun: true}, p)
	require.True(t, fake.has("docker.io/library/caddy:2"))

	// Without Docker images stay, and go with a later prune.
	fake.down = docker.ErrUnavailable
	p, err = d.Prune(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, []int{4}, p.Removed)
	require.Equal(t, []string{"images stay until the next prune: " + docker.ErrUnavailable.Error()}, p.Kept)
	fake.down = nil

	// What a stage needs that cannot be read is not known.
	put(t, d.Store, map[string]string{"3/forklift-bundle.yml": "forklift-version: ["})
	p, err = d.Prune(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, p.Kept, 1)
	require.Contains(t, p.Kept[0], "images stay: ")
	put(t, d.Store, map[string]string{"3/forklift-bundle.yml": bundle})
	p, err = d.Prune(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, device.Pruned{Removed: []int{}, Images: []string{"docker.io/library/caddy:2"}, Kept: []string{}}, p)
	require.False(t, fake.has("docker.io/library/caddy:2"))
}

func TestVerdict(t *testing.T) {
	d, _ := newDevice(t)
	v, err := d.Verdict("")
	require.NoError(t, err)
	require.Equal(t, device.Verdict{Stage: 2, Result: stages.Good, Reasons: []string{}}, v, "Forklift keeps no times")
	v, err = d.Verdict("next")
	require.NoError(t, err)
	require.Equal(t, stages.Pending, v.Result)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v, err = d.Judge(t.Context(), "next", stages.Failed, at)
	require.NoError(t, err)
	require.Equal(t, device.Verdict{Stage: 3, Result: stages.Failed, When: "2026-01-02T03:04:05Z", Reasons: []string{}}, v)
	require.Equal(t, 2, d.NextBoot().Stage)

	runs(t, d, 0)
	_, err = d.Verdict("")
	require.EqualError(t, err, "no stage is running: name one with --stage")
	_, err = d.Judge(t.Context(), "9", stages.Good, at)
	require.ErrorContains(t, err, "no stage 9 in ")
}

func TestVerify(t *testing.T) {
	d, _ := newDevice(t)
	_, _, err := d.Verify("2")
	require.ErrorContains(t, err, "verify stage 2: ")
	_, _, err = d.Verify("9")
	require.EqualError(t, err, "no stage 9 in "+d.Store+": it has 1, 2, 3, 4")
}

func TestExportAndImport(t *testing.T) {
	lab, _ := newDevice(t)
	field, fake := newDevice(t)
	field.Store = filepath.Join(t.TempDir(), "not/yet/there")
	file := filepath.Join(t.TempDir(), "stage.tar")
	b := staging(t, map[string]string{"motd": "hello"})
	n, err := lab.Stage(t.Context(), b, device.Followed{}, false)
	require.NoError(t, err)

	_, err = field.Inventory(t.Context())
	require.ErrorContains(t, err, "stage store "+field.Store+": no such file or directory")
	x, err := lab.Export(t.Context(), device.Export{Stage: "next", File: file, Compress: true, NoSpace: true})
	require.NoError(t, err)
	require.Equal(t, n, x.Stage)
	i, err := field.Import(t.Context(), file, true)
	require.NoError(t, err)
	require.Equal(t, device.Imported{Stage: 1, Images: []string{}, Next: true}, i)
	require.Equal(t, 1, field.NextBoot().Stage)
	i, err = field.Import(t.Context(), file, false)
	require.NoError(t, err)
	require.True(t, i.There)

	fake.down = docker.ErrUnavailable
	var warnings []error
	field.Warn = func(err error) { warnings = append(warnings, err) }
	v, err := field.Inventory(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Bundles, 1)
	require.ErrorContains(t, warnings[0], "the inventory has no images: ")
	linked, err := field.LinkImages()
	require.NoError(t, err)
	require.Zero(t, linked)
}

func TestTransferErrors(t *testing.T) {
	d, fake := newDevice(t)
	dir := t.TempDir()
	put(t, dir, map[string]string{"junk": "junk", "inventory.json": "{"})
	junk := filepath.Join(dir, "junk")
	_, err := d.Import(t.Context(), junk, false)
	require.ErrorContains(t, err, "import "+junk+": ")
	_, err = d.Import(t.Context(), filepath.Join(dir, "nowhere"), false)
	require.ErrorContains(t, err, "import a stage: open ")
	_, err = d.Export(t.Context(), device.Export{Stage: "9", File: junk})
	require.ErrorContains(t, err, "no stage 9 in ")
	_, err = d.Export(t.Context(), device.Export{Stage: "2", File: junk, Inventory: filepath.Join(dir, "none")})
	require.ErrorContains(t, err, "read the inventory: ")
	_, err = d.Export(t.Context(), device.Export{Stage: "2", File: junk, Inventory: filepath.Join(dir, "inventory.json")})
	require.ErrorContains(t, err, "parse inventory: ")

	// An imported stage whose images are missing is not next.
	put(t, d.Store, map[string]string{images.File: "{"})
	_, err = d.LinkImages()
	require.ErrorContains(t, err, "parse "+filepath.Join(d.Store, images.File))
	fake.down = errors.New("broken")
	_, err = d.Inventory(t.Context())
	require.EqualError(t, err, "broken")
}
