package images

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	pkimages "github.com/PlanktoScope/pkbuild/images"
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
	r.images[name] = docker.Image{ID: "sha256:" + name, Os: "linux", Architecture: arch}
	r.images["sha256:"+name] = r.images[name]
	return nil
}

func (r *recorder) Images(context.Context) (all []docker.Image, err error) {
	for _, image := range r.images {
		all = append(all, image)
	}
	return all, nil
}

func (r *recorder) Tag(_ context.Context, id, name string) error {
	r.calls = append(r.calls, "tag "+id+" "+name)
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
		pinned []pkimages.Pin
		needs  []string
		pins   []pkimages.Pin
		calls  []string
		events []string
		err    string
	}{
		"nothing": {},
		"present": {
			needs: []string{"there:1"},
			calls: []string{"tag sha256:t localhost/pkctl:t", "sync /d"},
			pins:  []pkimages.Pin{{Name: "there:1", ID: "sha256:t"}},
		},
		"imported": {
			record: Record{Images: []Entry{{Name: "file:1@d", ID: "sha256:1"}}},
			needs:  []string{"file:1@d"},
			calls:  []string{"tag sha256:1 localhost/pkctl:1", "sync /d"},
			pins:   []pkimages.Pin{{Name: "file:1@d", ID: "sha256:1"}},
		},
		"missing": {
			needs: []string{"new:1", "there:1", "other:1"},
			calls: []string{"pull new:1 linux/arm64", "pull other:1 linux/arm64", "tag sha256:new:1 localhost/pkctl:new:1",
				"tag sha256:t localhost/pkctl:t", "tag sha256:other:1 localhost/pkctl:other:1", "sync /d"},
			pins: []pkimages.Pin{{Name: "new:1", ID: "sha256:new:1"}, {Name: "other:1", ID: "sha256:other:1"}, {Name: "there:1", ID: "sha256:t"}},
			events: []string{"image 1 of 2: fetching new:1", "image 1 of 2: new:1: 0 of 1 layers", "image 1 of 2: new:1: 1 of 2 layers",
				"image 1 of 2: fetched new:1", "image 2 of 2: fetching other:1", "image 2 of 2: other:1: 0 of 1 layers",
				"image 2 of 2: other:1: 1 of 2 layers", "image 2 of 2: fetched other:1"},
		},
		"for another platform": {
			needs: []string{"foreign:1"},
			calls: []string{"pull foreign:1 linux/arm64", "tag sha256:foreign:1 localhost/pkctl:foreign:1", "sync /d"},
			pins:  []pkimages.Pin{{Name: "foreign:1", ID: "sha256:foreign:1"}},
			events: []string{"image 1 of 1: fetching foreign:1", "image 1 of 1: foreign:1: 0 of 1 layers",
				"image 1 of 1: foreign:1: 1 of 2 layers", "image 1 of 1: fetched foreign:1"},
		},
		"retry": {
			needs: []string{"slow:1"},
			calls: []string{"pull slow:1 linux/arm64", "pull slow:1 linux/arm64", "tag sha256:slow:1 localhost/pkctl:slow:1", "sync /d"},
			pins:  []pkimages.Pin{{Name: "slow:1", ID: "sha256:slow:1"}},
			events: []string{"image 1 of 1: fetching slow:1", "image 1 of 1: slow:1: 0 of 1 layers", "image 1 of 1: slow:1: 1 of 2 layers",
				"image 1 of 1: retrying slow:1: attempt 2 of 4, in 1ns: i/o timeout",
				"image 1 of 1: fetching slow:1", "image 1 of 1: slow:1: 0 of 1 layers", "image 1 of 1: slow:1: 1 of 2 layers",
				"image 1 of 1: fetched slow:1"},
		},
		"pinned and present, while the name means another image": {
			pinned: []pkimages.Pin{{Name: "there:1", ID: "sha256:1"}},
			needs:  []string{"there:1"},
			calls:  []string{"tag sha256:1 localhost/pkctl:1", "sync /d"},
			pins:   []pkimages.Pin{{Name: "there:1", ID: "sha256:1"}},
		},
		"pinned and missing": {
			pinned: []pkimages.Pin{{Name: "docker.io/x/y:1", ID: "sha256:docker.io/x/y@" + sum, Digest: sum}},
			needs:  []string{"docker.io/x/y:1"},
			calls: []string{"pull docker.io/x/y@" + sum + " linux/arm64",
				"tag sha256:docker.io/x/y@" + sum + " localhost/pkctl:docker.io/x/y@" + sum, "sync /d"},
			pins: []pkimages.Pin{{Name: "docker.io/x/y:1", ID: "sha256:docker.io/x/y@" + sum, Digest: sum}},
			events: []string{"image 1 of 1: fetching docker.io/x/y:1", "image 1 of 1: docker.io/x/y:1: 0 of 1 layers",
				"image 1 of 1: docker.io/x/y:1: 1 of 2 layers", "image 1 of 1: fetched docker.io/x/y:1"},
		},
		"pinned, and another one in the registry": {
			pinned: []pkimages.Pin{{Name: "moved:1", ID: "sha256:2"}},
			needs:  []string{"moved:1"},
			calls:  []string{"pull moved:1 linux/arm64", "sync /d"},
			err: "image moved:1: another image: the registry has sha256:moved:1 under this name, the stage was made with sha256:2: " +
				"import the stage from a file",
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
				images: map[string]docker.Image{"there:1": arm("sha256:t"), "sha256:1": arm("sha256:1"), "foreign:1": {Os: "linux", Architecture: "amd64"}},
				pulls:  map[string][]error{"slow:1": {slow}, "dead:1": {slow, slow, slow, slow}, "gone:1": {gone}},
			}
			var events []string
			f := Fetcher{Docker: d, Wait: 1, Notify: func(e Event) { events = append(events, e.String()) }}
			pins, err := f.Fetch(t.Context(), test.record, pkimages.Pins{Images: test.pinned}, test.needs)
			require.Equal(t, test.calls, d.calls)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.events, events)
			require.Equal(t, test.pins, pins.Images)
		})
	}
}

func TestFetchWithoutDocker(t *testing.T) {
	d := &recorder{host: fmt.Errorf("%w: no daemon", docker.ErrUnavailable)}
	_, err := Fetcher{Docker: d}.Fetch(t.Context(), Record{}, pkimages.Pins{}, nil)
	require.NoError(t, err, "a stage without images needs no Docker")
	_, err = Fetcher{Docker: d}.Fetch(t.Context(), Record{}, pkimages.Pins{}, []string{"a", "b"})
	require.EqualError(t, err, "2 container images are needed: cannot reach the Docker daemon: no daemon")
}

func TestFetchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &recorder{images: map[string]docker.Image{}, pulls: map[string][]error{"a": {errors.New("broken")}}}
	_, err := Fetcher{Docker: d, Wait: 1 << 60, Notify: func(e Event) {
		if e.State == Retrying {
			cancel()
		}
	}}.Fetch(ctx, Record{}, pkimages.Pins{}, []string{"a", "b"})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, d.calls, 1)
}

const sum = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

func TestPrune(t *testing.T) {
	for name, test := range map[string]struct {
		record []Entry
		images map[string]docker.Image
		pins   []pkimages.Pin
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
		"pinned by another stage under the same name": {
			record: []Entry{{Name: "a:1", ID: "sha256:2"}}, pins: []pkimages.Pin{{Name: "a:1", ID: "sha256:1"}},
			calls: []string{"rm sha256:2"},
		},
		"pinned": {
			record: []Entry{{Name: "a:1", ID: "sha256:1"}, {Name: "old:1", ID: "sha256:1"}}, pins: []pkimages.Pin{{Name: "a:1", ID: "sha256:1"}},
			left: []Entry{{Name: "a:1", ID: "sha256:1"}},
		},
		"recorded by name, which means a pinned image": {
			record: []Entry{{Name: "a:1"}}, pins: []pkimages.Pin{{Name: "b:1", ID: "sha256:1"}}, left: []Entry{{Name: "a:1"}},
		},
		"kept by its tag only": {
			record: []Entry{{Name: "a:1", ID: "sha256:5"}}, calls: []string{"rm localhost/pkctl:5"},
		},
		"kept without a record": {
			images: map[string]docker.Image{"sha256:6": arm("sha256:6", "localhost/pkctl:6")}, calls: []string{"rm localhost/pkctl:6"},
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
				"localhost/pkctl:5": arm("sha256:5"),
			}}
			maps.Copy(d.images, test.images)
			out, err := Prune(t.Context(), d, Record{Images: test.record}, Needed{Pins: test.pins, Names: test.needed})
			require.NoError(t, err)
			require.Equal(t, test.calls, d.calls)
			require.Equal(t, test.kept, out.Kept)
			require.ElementsMatch(t, test.left, out.Record.Images)
		})
	}
}

func TestKeep(t *testing.T) {
	d := &recorder{images: map[string]docker.Image{
		"a:1": arm("sha256:1", "a:1"), "b:1": arm("sha256:2", "b:1", "localhost/pkctl:2"), "c:1": arm("sha256:3", "c:1"),
	}}
	require.NoError(t, Keep(t.Context(), d, Needed{Pins: []pkimages.Pin{{ID: "sha256:1"}, {ID: "sha256:2"}}, Names: []string{"c:1"}}))
	require.Equal(t, []string{"tag sha256:1 localhost/pkctl:1"}, d.calls)
}
