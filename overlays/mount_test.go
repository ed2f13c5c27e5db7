package overlays_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/overlays"
)

func etc() overlays.Mount {
	return overlays.Mount{
		Source:    "pkinit:/etc",
		Target:    "/etc",
		Lowerdirs: []string{"/run/stage/etc", "/sysroot/etc"},
		Upperdir:  "/var/lib/overlays/overrides/etc",
		Workdir:   "/var/lib/overlays/workdirs/etc",
	}
}

func TestValidate(t *testing.T) {
	require.NoError(t, etc().Validate())
	for what, c := range map[string]struct {
		change  func(m *overlays.Mount)
		message string
	}{
		"no source":              {func(m *overlays.Mount) { m.Source = "" }, "source of the overlay is empty"},
		"no target":              {func(m *overlays.Mount) { m.Target = "" }, "target of the overlay is empty"},
		"no upperdir":            {func(m *overlays.Mount) { m.Upperdir = "" }, "upperdir of the overlay is empty"},
		"no lowerdirs":           {func(m *overlays.Mount) { m.Lowerdirs = nil }, "overlay has 0 lowerdirs, want 1 to 500"},
		"empty lowerdir":         {func(m *overlays.Mount) { m.Lowerdirs[0] = "" }, "lowerdir of the overlay is empty"},
		"relative":               {func(m *overlays.Mount) { m.Lowerdirs[0] = "etc" }, "lowerdir etc of the overlay is not absolute"},
		"not clean":              {func(m *overlays.Mount) { m.Workdir = "/a/../b" }, "workdir /a/../b of the overlay is not clean, want /b"},
		"NUL byte":               {func(m *overlays.Mount) { m.Upperdir = "/a\x00b" }, `upperdir "/a\x00b" of the overlay contains a NUL byte`},
		"lowerdir twice":         {func(m *overlays.Mount) { m.Lowerdirs[0] = "/sysroot/etc" }, "lowerdir /sysroot/etc is named twice"},
		"workdir in upperdir":    {func(m *overlays.Mount) { m.Workdir = m.Upperdir + "/w" }, "upperdir /var/lib/overlays/overrides/etc and workdir /var/lib/overlays/overrides/etc/w contain one another"},
		"workdir is upperdir":    {func(m *overlays.Mount) { m.Workdir = m.Upperdir }, "upperdir /var/lib/overlays/overrides/etc and workdir /var/lib/overlays/overrides/etc contain one another"},
		"upperdir in lowerdir":   {func(m *overlays.Mount) { m.Lowerdirs = []string{"/var"} }, "lowerdir /var and /var/lib/overlays/overrides/etc contain one another"},
		"the root as a lowerdir": {func(m *overlays.Mount) { m.Lowerdirs = []string{"/"} }, "lowerdir / and /var/lib/overlays/overrides/etc contain one another"},
	} {
		t.Run(what, func(t *testing.T) {
			m := etc()
			c.change(&m)
			err := m.Validate()
			require.ErrorContains(t, err, "overlay at "+m.Target+": ")
			require.ErrorContains(t, err, c.message)
		})
	}
}

func TestValidateReportsAllErrors(t *testing.T) {
	err := overlays.Mount{Target: "etc", Upperdir: "u"}.Validate()
	require.EqualError(t, err, "mount overlay at etc: target etc of the overlay is not absolute\nupperdir u of the overlay is not absolute\nworkdir of the overlay is empty\n"+
		"source of the overlay is empty\noverlay has 0 lowerdirs, want 1 to 500")
}

func TestValidateLimits(t *testing.T) {
	m := etc()
	m.Lowerdirs = nil
	for i := range overlays.MaxLowerdirs {
		m.Lowerdirs = append(m.Lowerdirs, fmt.Sprintf("/%d", i))
	}
	require.NoError(t, m.Validate())
	m.Lowerdirs = append(m.Lowerdirs, "/x")
	require.EqualError(t, m.Validate(), "mount overlay at /etc: overlay has 501 lowerdirs, want 1 to 500")

	m = etc()
	m.Upperdir = "/"
	m.Upperdir += strings.Repeat("x", overlays.MaxOptions-len(m.Options()))
	require.NoError(t, m.Validate())
	m.Upperdir += "x"
	require.EqualError(t, m.Validate(), "mount overlay at /etc: overlay options have 4096 bytes, mount(2) takes 4095")
}

// A path that only shares a prefix with another one is not below it.
func TestValidateComparesPathElements(t *testing.T) {
	m := etc()
	m.Upperdir, m.Workdir = "/state/etc", "/state/etc-work"
	m.Lowerdirs = []string{"/state/et", "/state/etc.base"}
	require.NoError(t, m.Validate())
}
