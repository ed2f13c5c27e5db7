package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	godigest "github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/builder/lock"
	"github.com/PlanktoScope/pkbuild/recipes"
)

// emptyImage writes an OCI layout with one image without layers, and returns the digest of its manifest.
func emptyImage(t *testing.T, dir, env string) godigest.Digest {
	t.Helper()
	blob := func(text string) godigest.Digest {
		d := godigest.FromString(text)
		name := filepath.Join(dir, "blobs/sha256", d.Encoded())
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		return d
	}
	const kind = "application/vnd.oci.image."
	config := `{"os":"linux","architecture":"arm64","config":{"Env":["` + env + `"]},"rootfs":{"type":"layers","diff_ids":[]}}`
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%smanifest.v1+json","config":{"mediaType":"%sconfig.v1+json","size":%d,"digest":%q},"layers":[]}`,
		kind, kind, len(config), blob(config))
	d := blob(manifest)
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"%smanifest.v1+json","size":%d,"digest":%q}]}`, kind, len(manifest), d)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
	return d
}

func TestLockPinsContainerImages(t *testing.T) {
	r := loaded(t)
	const pinned = "docker.io/library/redis:7@sha256:" + sha1
	r.Layers = append(r.Layers, recipes.Layer{Containers: &recipes.Containers{Images: []recipes.ContainerImage{
		{Name: "caddy", Source: "oci:caddy"}, {Name: "example.org/db:1", Source: "oci:db"},
	}}})
	caddy := emptyImage(t, filepath.Join(r.Dir, "caddy"), "A=1")
	db := emptyImage(t, filepath.Join(r.Dir, "db"), "A=2")
	got, err := resolveImages(t.Context(), imageSource(r, t.TempDir()), gather(t, r).images)
	require.NoError(t, err)
	require.Equal(t, []lock.Image{{Name: "docker.io/library/caddy:latest", Digest: caddy}, {Name: "example.org/db:1", Digest: db}}, got)

	l := lockOf(t, loaded(t))
	stale := &lock.StaleError{}
	require.ErrorAs(t, l.Check(request(t, r)), &stale)
	require.Equal(t, []string{"container image docker.io/library/caddy:latest was added", "container image example.org/db:1 was added"}, stale.Changes)
	l.Images = got
	require.NoError(t, l.Check(request(t, r)))
	text := string(l.Format("buoy.yml"))
	require.Contains(t, text, "\nimage "+caddy.String()+" docker.io/library/caddy:latest\nimage "+db.String()+" example.org/db:1\n")
	again, err := lock.Parse("buoy.yml.lock", []byte(text))
	require.NoError(t, err)
	require.Equal(t, l, again)

	d, err := l.ImageDigest("example.org/db:1")
	require.NoError(t, err)
	require.Equal(t, db, d)
	_, err = l.ImageDigest("example.org/db:2")
	require.EqualError(t, err, "container image example.org/db:2 is not pinned by digest; run pkbuild lock")
	var none *lock.Lock
	_, err = none.ImageDigest("example.org/db:1")
	require.EqualError(t, err, "container image example.org/db:1 is not pinned by digest; run pkbuild lock")
	d, err = none.ImageDigest(pinned)
	require.NoError(t, err, "a digest in the name needs no lock")
	require.EqualValues(t, "sha256:"+sha1, d)

	after := *l
	newer := emptyImage(t, filepath.Join(r.Dir, "db"), "A=3")
	after.Images = []lock.Image{{Name: "example.org/db:1", Digest: newer}, {Name: "example.org/new:1", Digest: caddy}}
	var changes []string
	for _, c := range l.Diff(&after) {
		changes = append(changes, c.String())
	}
	require.Equal(t, []string{
		"image docker.io/library/caddy:latest: removed " + caddy.Encoded()[:12],
		"image example.org/db:1: " + db.Encoded()[:12] + " → " + newer.Encoded()[:12],
		"image example.org/new:1: added " + caddy.Encoded()[:12],
	}, changes)
	r.Layers = r.Layers[:len(r.Layers)-1]
	require.EqualError(t, l.Check(request(t, r)), "lock is out of date: "+
		"container image docker.io/library/caddy:latest was removed, container image example.org/db:1 was removed")
}

func TestImageLineErrors(t *testing.T) {
	valid := string(lockOf(t, loaded(t)).Format("buoy.yml"))
	for line, says := range map[string]string{
		"image caddy": "image line of the lock file is incomplete; want image DIGEST NAME",
		"image sha256:1 docker.io/library/caddy:1":    `"sha256:1" is not a SHA-256 digest`,
		"image sha256:" + sha1 + " caddy":             "image name caddy is abbreviated; write docker.io/library/caddy:latest",
		"image sha256:" + sha1 + " example.org/Caddy": "repository name must be lowercase",
	} {
		_, err := lock.Parse("x.lock", []byte(valid+line+"\n"))
		require.ErrorContains(t, err, "x.lock:23: ")
		require.ErrorContains(t, err, says)
	}
}
