package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/docker"
)

// recorder is a Docker that records calls.
type recorder struct {
	images map[string]docker.Image // by name or ID
	pulls  map[string][]error      // results of the attempts by name; without an entry they succeed
	used   []string                // names of images that a container uses
	calls  []string
	host   error
}

func (r *recorder) Host(context.Context) (docker.Host, error) {
	return docker.Host{Platform: "linux/arm64", Root: "/d"}, r.host
}

func (r *recorder) Image(_ context.Context, name string) (docker.Image, error) {
	if image, ok := r.images[name]; ok {
		return image, nil
	}
	return docker.Image{}, fmt.Errorf("image %s: %w", name, docker.ErrNoImage)
}

func (r *recorder) Pull(_ context.Context, name, platform string, say func(string)) error {
	r.calls = append(r.calls, "pull "+name+" "+platform)
	say("2: Pulling from library/x")
	say("a1: Pulling fs layer")
	say("b2: Already exists")
	if next := r.pulls[name]; len(next) > 0 {
		r.pulls[name] = next[1:]
		if next[0] != nil {
			return next[0]
		}
	}
	arch := "arm64"
	if strings.HasPrefix(name, "amd64") {
		arch = "amd64"
	}
	r.images[name] = docker.Image{ID: "id-" + name, Os: "linux", Architecture: arch}
	return nil
}

func (r *recorder) Remove(_ context.Context, name string) error {
	if slices.Contains(r.used, name) {
		return errors.New("Error response from daemon: conflict: unable to remove: container 1 is using it")
	}
	r.calls = append(r.calls, "rm "+name)
	delete(r.images, name)
	return nil
}

func (r *recorder) Sync(root string) error {
	r.calls = append(r.calls, "sync "+root)
	return nil
}

func arm(id string, names ...string) docker.Image {
	return docker.Image{ID: id, Os: "linux", Architecture: "arm64", RepoTags: names}
}

func TestFetch(t *testing.T) {
	slow, gone := errors.New("i/o timeout"), errors.New("manifest unknown: manifest unknown")
	for name, test := range map[string]struct {
		record Record
		needs  []string
		calls  []string
		events []string
		err    string
	}{
		"nothing": {},
		"present": {
			needs: []string{"there:1"},
			calls: []string{"sync /d"},
		},
		"imported": {
			record: Record{Images: []Entry{{Name: "file:1@d", ID: "sha256:1"}}},
			needs:  []string{"file:1@d"},
			calls:  []string{"sync /d"},
		},
		"missing": {
			needs: []string{"new:1", "there:1", "other:1"},
			calls: []string{"pull new:1 linux/arm64", "pull other:1 linux/arm64", "sync /d"},
			events: []string{"image 1 of 2: fetching new:1", "image 1 of 2: new:1: 0 of 1 layers", "image 1 of 2: new:1: 1 of 2 layers",
				"image 1 of 2: fetched new:1", "image 2 of 2: fetching other:1", "image 2 of 2: other:1: 0 of 1 layers",
				"image 2 of 2: other:1: 1 of 2 layers", "image 2 of 2: fetched other:1"},
		},
		"for another platform": {
			needs: []string{"foreign:1"},
			calls: []string{"pull foreign:1 linux/arm64", "sync /d"},
			events: []string{"image 1 of 1: fetching foreign:1", "image 1 of 1: foreign:1: 0 of 1 layers",
				"image 1 of 1: foreign:1: 1 of 2 layers", "image 1 of 1: fetched foreign:1"},
		},
		"retry": {
			needs: []string{"slow:1"},
			calls: []string{"pull slow:1 linux/arm64", "pull slow:1 linux/arm64", "sync /d"},
			events: []string{"image 1 of 1: fetching slow:1", "image 1 of 1: slow:1: 0 of 1 layers", "image 1 of 1: slow:1: 1 of 2 layers",
				"image 1 of 1: retrying slow:1: attempt 2 of 4, in 1ns: i/o timeout",
				"image 1 of 1: fetching slow:1", "image 1 of 1: slow:1: 0 of 1 layers", "image 1 of 1: slow:1: 1 of 2 layers",
				"image 1 of 1: fetched slow:1"},
		},
		"all errors": {
			needs: []string{"dead:1", "gone:1", "amd64:1"},
			calls: []string{"pull dead:1 linux/arm64", "pull dead:1 linux/arm64", "pull dead:1 linux/arm64",
				"pull dead:1 linux/arm64", "pull gone:1 linux/arm64", "pull amd64:1 linux/arm64", "sync /d"},
			err: "image dead:1: i/o timeout (4 attempts)\nimage gone:1: manifest unknown: manifest unknown\n" +
				"image amd64:1: wrong platform: image is for linux/amd64, want linux/arm64",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &recorder{
				images: map[string]docker.Image{"there:1": arm("1"), "sha256:1": arm("sha256:1"), "foreign:1": {Os: "linux", Architecture: "amd64"}},
				pulls:  map[string][]error{"slow:1": {slow}, "dead:1": {slow, slow, slow, slow}, "gone:1": {gone}},
			}
			var events []string
			err := Fetcher{Docker: d, Wait: 1, Notify: func(e Event) { events = append(events, e.String()) }}.Fetch(t.Context(), test.record, test.needs)
			require.Equal(t, test.calls, d.calls)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.events, events)
		})
	}
}

func TestFetchWithoutDocker(t *testing.T) {
	d := &recorder{host: fmt.Errorf("%w: no daemon", docker.ErrUnavailable)}
	require.NoError(t, Fetcher{Docker: d}.Fetch(t.Context(), Record{}, nil), "a stage without images needs no Docker")
	err := Fetcher{Docker: d}.Fetch(t.Context(), Record{}, []string{"a", "b"})
	require.EqualError(t, err, "2 container images are needed: cannot reach the Docker daemon: no daemon")
}

func TestFetchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &recorder{images: map[string]docker.Image{}, pulls: map[string][]error{"a": {errors.New("broken")}}}
	err := Fetcher{Docker: d, Wait: 1 << 60, Notify: func(e Event) {
		if e.State == Retrying {
			cancel()
		}
	}}.Fetch(ctx, Record{}, []string{"a", "b"})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, d.calls, 1)
}

const sum = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

func TestPrune(t *testing.T) {
	for name, test := range map[string]struct {
		record []Entry
		needed []string
		calls  []string
		kept   []string
		left   []Entry
	}{
		"unneeded": {
			record: []Entry{{Name: "old:1"}, {Name: "new:1"}}, needed: []string{"new:1"},
			calls: []string{"rm old:1"}, left: []Entry{{Name: "new:1"}},
		},
		"removed before": {record: []Entry{{Name: "gone:1"}}},
		"used by a container": {
			record: []Entry{{Name: "used:1"}, {Name: "old:1"}}, calls: []string{"rm old:1"},
			kept: []string{"image used:1 is kept: a container uses it"}, left: []Entry{{Name: "used:1"}},
		},
		"digest needed by another tag": {
			record: []Entry{{Name: "docker.io/library/a:1@" + sum}}, needed: []string{"docker.io/library/a@" + sum},
			left: []Entry{{Name: "docker.io/library/a:1@" + sum}},
		},
		"imported, with its tag": {
			record: []Entry{{Name: "a@" + sum, ID: "sha256:1", Tag: "a:1"}}, calls: []string{"rm a:1"},
		},
		"tag of another image": {
			record: []Entry{{Name: "a@" + sum, ID: "sha256:9", Tag: "a:1"}},
		},
		"needed tag": {
			record: []Entry{{Name: "a@" + sum, ID: "sha256:1", Tag: "a:1"}, {Name: "a:1"}}, needed: []string{"a:1"},
			left: []Entry{{Name: "a:1"}},
		},
		"no name": {
			record: []Entry{{Name: "b@" + sum, ID: "sha256:2"}}, calls: []string{"rm sha256:2"},
		},
		"no name, needed by another one": {
			record: []Entry{{Name: "b@" + sum, ID: "sha256:2"}, {Name: "c@" + sum, ID: "sha256:2"}}, needed: []string{"c@" + sum},
			left: []Entry{{Name: "c@" + sum, ID: "sha256:2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &recorder{used: []string{"used:1"}, images: map[string]docker.Image{
				"old:1": arm("1", "old:1"), "new:1": arm("1", "new:1"), "used:1": arm("3", "used:1"), "mine:1": arm("4", "mine:1"),
				"a:1": arm("sha256:1", "a:1"), "sha256:1": arm("sha256:1", "a:1"), "sha256:2": arm("sha256:2"),
			}}
			out, err := Prune(t.Context(), d, Record{Images: test.record}, test.needed)
			require.NoError(t, err)
			require.Equal(t, test.calls, d.calls)
			require.Equal(t, test.kept, out.Kept)
			require.ElementsMatch(t, test.left, out.Record.Images)
		})
	}
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r, err := ReadRecord(dir)
	require.NoError(t, err)
	r = r.With(Entry{Name: "b", ID: "1", Tag: "t"}).WithNames([]string{"c", "b", "a"})
	require.NoError(t, r.Write(dir))
	r, err = ReadRecord(dir)
	require.NoError(t, err)
	require.Equal(t, []Entry{{Name: "a"}, {Name: "b", ID: "1", Tag: "t"}, {Name: "c"}}, r.Images)
	name := filepath.Join(dir, File)
	for content, message := range map[string]string{
		"{":              "parse " + name + ": unexpected end of JSON input (delete the file: the images in it are then never removed)",
		`{"version": 2}`: "parse " + name + ": version is 2, want 1 (delete the file: the images in it are then never removed)",
	} {
		require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		_, err = ReadRecord(dir)
		require.EqualError(t, err, message)
	}
}

func TestAddDigests(t *testing.T) {
	root := t.TempDir()
	content := filepath.Join(root, "image/overlay2/imagedb/content/sha256")
	require.NoError(t, os.MkdirAll(content, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(content, "1"), nil, 0o600))
	r := Record{Root: root, Images: []Entry{
		{Name: "docker.io/library/caddy:2@" + sum, ID: "sha256:1"},
		{Name: "ghcr.io/x/y@" + sum, ID: "sha256:1"},
		{Name: "ghcr.io/x/z@" + sum, ID: "sha256:gone"},
		{Name: "ghcr.io/x/pulled@" + sum},
		{Name: "ghcr.io/x/tag:1", ID: "sha256:1"},
	}}
	for _, want := range []int{2, 0} {
		n, err := AddDigests(r)
		require.NoError(t, err)
		require.Equal(t, want, n)
		data, err := os.ReadFile(filepath.Join(root, "image/overlay2/repositories.json"))
		require.NoError(t, err)
		require.JSONEq(t, `{"Repositories": {"caddy": {"caddy@`+sum+`": "sha256:1"},
			"ghcr.io/x/y": {"ghcr.io/x/y@`+sum+`": "sha256:1"}}}`, string(data))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "image/overlay2/repositories.json"), []byte("{"), 0o600))
	_, err := AddDigests(r)
	require.ErrorContains(t, err, "repositories.json: unexpected end of JSON input")
}
