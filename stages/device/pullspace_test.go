package device_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	pkimages "github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/stages/device"
	"github.com/PlanktoScope/pkbuild/stages/docker"
	"github.com/PlanktoScope/pkbuild/stages/transfer"
)

// TestPullSpace refuses a pull that would take the reserve. Layers that Docker has need no space.
func TestPullSpace(t *testing.T) {
	const mib = 1 << 20
	base, top := digest.FromString("base"), digest.FromString("top")
	image := pkimages.Image{Layers: []pkimages.Layer{{DiffID: base, Size: 100 * mib}, {DiffID: top, Size: 50 * mib}}}
	for name, test := range map[string]struct {
		free int64
		has  []string // layers of an image in Docker
		err  error    // of the registry
		want string
	}{
		"enough": {free: 600*mib + 256*mib},
		"less": {free: 600*mib + 256*mib - 1, want: "too little space in /var/lib/docker: about 629 MB needed for 1 images, " +
			"898 MB free, of which 268 MB stay reserved; pkctl stage prune deletes stages and images that nothing needs\n(once there is space: "},
		"the base is there":   {free: 200*mib + 256*mib, has: []string{base.String()}},
		"another base":        {free: 200*mib + 256*mib, has: []string{top.String()}, want: "too little space"},
		"registry is unknown": {free: 256 * mib, err: errors.New("no such host")},
	} {
		t.Run(name, func(t *testing.T) {
			d, fake := newDevice(t)
			put(t, d.Store, withApp(4))
			if test.has != nil {
				other := docker.Image{ID: digest.FromString("other").String(), Os: "linux", Architecture: "arm64"}
				other.RootFS.Layers = test.has
				fake.images["other:1"] = other
			}
			d.Describe = func(_ context.Context, platform, name string) (pkimages.Image, error) {
				require.Equal(t, "linux/arm64 docker.io/library/caddy:2", platform+" "+name)
				return image, test.err
			}
			d.Space = func(string) (transfer.Space, error) { return transfer.Space{Free: test.free}, nil }
			_, err := d.SetNext(t.Context(), "4", false)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
			require.Equal(t, test.want == "", fake.has("docker.io/library/caddy:2"))
		})
	}
}

// TestDescribe reads the sizes of an image's layers from a registry.
func TestDescribe(t *testing.T) {
	r := newRegistry(t, []byte("program"))
	image, err := device.Describe(t.Context(), "linux/"+runtime.GOARCH, r.name)
	require.NoError(t, err)
	require.Len(t, image.Layers, 2)
	require.Equal(t, r.layers[1], image.Layers[1].DiffID)
	require.Positive(t, image.Layers[1].Size)
	_, err = device.Describe(t.Context(), "linux/"+runtime.GOARCH, strings.Replace(r.name, "main", "other", 1))
	require.ErrorContains(t, err, "other:1: ")
	_, err = device.Describe(t.Context(), "linux", r.name)
	require.ErrorContains(t, err, `platform "linux" is not of the form`)
}
