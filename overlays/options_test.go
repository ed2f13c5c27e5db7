package overlays_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays"
)

func TestOptions(t *testing.T) {
	require.Equal(t, "lowerdir=/run/stage/etc:/sysroot/etc,"+
		"upperdir=/var/lib/overlays/overrides/etc,workdir=/var/lib/overlays/workdirs/etc"+features, etc().Options())
	require.Equal(t, `lowerdir=/a\:b\,c\\d:/e,upperdir=/f:g\,h\\i,workdir=/w`+features, overlays.Mount{
		Lowerdirs: []string{`/a:b,c\d`, "/e"}, Upperdir: `/f:g,h\i`, Workdir: "/w",
	}.Options())
}

// features are the options that every overlay has.
const features = ",index=off,metacopy=off,redirect_dir=nofollow,xino=off"

func TestReadOnlyOptions(t *testing.T) {
	m := overlays.Mount{Source: "s", Target: "/etc", Lowerdirs: []string{"/a", "/b"}}
	require.Equal(t, "lowerdir=/a:/b"+features, m.Options())
	require.True(t, m.ReadOnly())
	require.NoError(t, m.Validate())
	m.Lowerdirs = m.Lowerdirs[:1]
	require.EqualError(t, m.Validate(), "mount overlay at /etc: overlay has 1 lowerdirs, want 2 to 500")
	m.Upperdir = "/u"
	require.ErrorContains(t, m.Validate(), "workdir of the overlay is empty")
}

func TestParseOptions(t *testing.T) {
	for what, c := range map[string]struct {
		options string
		want    overlays.Mount
	}{
		"plain": {"rw,lowerdir=/a:/b,upperdir=/u,workdir=/w,uuid=on,xino=off",
			overlays.Mount{Lowerdirs: []string{"/a", "/b"}, Upperdir: "/u", Workdir: "/w"}},
		"read-only": {"ro,lowerdir=/a:/b", overlays.Mount{Lowerdirs: []string{"/a", "/b"}}},
		"fsconfig": {`ro,lowerdir+=/a:a,lowerdir+=/b\040b`,
			overlays.Mount{Lowerdirs: []string{"/a:a", "/b b"}}},
		"escapes": {`rw,lowerdir=/a\134:a:/b\134\054b:/c\134\134c,upperdir=/u\134\054u,workdir=/w\134\134w`,
			overlays.Mount{Lowerdirs: []string{"/a:a", "/b,b", `/c\c`}, Upperdir: "/u,u", Workdir: `/w\w`}},
		"empty": {"", overlays.Mount{}},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := overlays.ParseOptions(c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseOptionsErrors(t *testing.T) {
	for options, message := range map[string]string{
		`upperdir=/a\04`:    `overlay option upperdir=/a\04: octal escape \04 has fewer than three digits`,
		`lowerdir=/a\:/b`:   `overlay option lowerdir=/a\:/b: escape \:/b in the option is not octal`,
		`workdir=/a\777b,x`: `overlay option workdir=/a\777b: escape \777 in the option is not octal`,
	} {
		_, err := overlays.ParseOptions(options)
		require.EqualError(t, err, message)
	}
}

// FuzzOptions checks that ParseOptions returns what Options wrote, after the kernel showed it in mountinfo.
func FuzzOptions(f *testing.F) {
	f.Add("/a", "/b", "/u")
	f.Add(`/a:b,c\d e`, `/\:`, "/u\tx\ny,=")
	f.Fuzz(func(t *testing.T, a, b, upper string) {
		m := overlays.Mount{Source: "s", Target: "/t", Lowerdirs: []string{a, b}, Upperdir: upper, Workdir: "/work"}
		if m.Validate() != nil {
			return
		}
		got, err := overlays.ParseOptions(shown(m))
		require.NoError(t, err)
		got.Source, got.Target = m.Source, m.Target
		require.Equal(t, m, got)
	})
}

func FuzzParseOptions(f *testing.F) {
	f.Add(`rw,lowerdir=/a\134:a:/b,upperdir=/u\054u`)
	f.Fuzz(func(_ *testing.T, options string) { _, _ = overlays.ParseOptions(options) })
}

// shown returns the options as the kernel shows them in mountinfo: as given, with special characters in octal.
func shown(m overlays.Mount) string {
	octal := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, ",", `\054`)
	given := func(m overlays.Mount, before, after string) string {
		return octal.Replace(strings.TrimSuffix(strings.TrimPrefix(m.Options(), before), after))
	}
	return "rw,lowerdir=" + given(overlays.Mount{Lowerdirs: m.Lowerdirs}, "lowerdir=", features) +
		",upperdir=" + given(overlays.Mount{Upperdir: m.Upperdir}, "lowerdir=,upperdir=", ",workdir="+features) +
		",workdir=" + given(overlays.Mount{Workdir: m.Workdir}, "lowerdir=,upperdir=,workdir=", features)
}
