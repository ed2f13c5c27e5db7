package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/cmd/pkinit/usage"
	"github.com/PlanktoScope/pkbuild/stages/report"
)

func TestRun(t *testing.T) {
	missing := "pkinit: open /run/pkinit/boot.json: no such file or directory\n"
	for what, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"version":        {[]string{"version"}, done, "devel\n", ""},
		"help":           {[]string{"--help"}, done, usage.Text(), ""},
		"nothing":        {nil, misused, "", usage.Text()},
		"unknown":        {[]string{"mount"}, misused, "", usage.Text()},
		"too much":       {[]string{"version", "x"}, misused, "", usage.Text()},
		"step of what":   {[]string{"step"}, misused, "", usage.Text()},
		"unknown option": {[]string{"report", "--yaml"}, misused, "", usage.Text()},
		"no report":      {[]string{"report"}, failed, "", missing},
		"no report json": {[]string{"report", "--json"}, failed, "", missing},
	} {
		t.Run(what, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, c.code, run(c.args, &stdout, &stderr))
			require.Equal(t, c.stdout, stdout.String())
			require.Equal(t, c.stderr, stderr.String())
		})
	}
}

func TestWriteReport(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeReport(&out, report.Boot{
		Pkinit:   "v1.2.3",
		Root:     report.Root{Spec: "PARTUUID=5d8f1a2b-02", Device: "/dev/mmcblk0p2", Grown: &report.Growth{From: 2 << 30, To: 29<<30 + 1}},
		Choice:   report.Choice{Stage: 2, Reason: "stage 2 is next, attempt 1 of 3", Attempt: 1},
		Degraded: true,
		Problems: []string{"stage 3 is next but was found bad"},
		Steps: []report.Step{
			{Name: "select-stage", State: report.Done, Seconds: 0.0042},
			{Name: "overlay-etc", State: report.Failed, Seconds: 1.5, Error: "no such device"},
			{Name: "start-overlaid-units", State: report.Skipped, Note: "nothing to do"},
		},
		Overlays: []report.Overlay{{Target: "/usr", Lowerdirs: []string{"/stage/usr", "/sysroot/usr"}, Upperdir: "/overrides/usr"}},
		Handoff:  4.25,
	}))
	require.Equal(t, `pkinit    v1.2.3
root      /dev/mmcblk0p2 (PARTUUID=5d8f1a2b-02)
grown     from 2048 to 29696 MiB
stage     stage 2 is next, attempt 1 of 3
state     degraded
problem   stage 3 is next but was found bad
hand-off  4.250 s after the kernel started

select-stage          done     0.004 s
overlay-etc           failed   1.500 s  no such device
start-overlaid-units  skipped  0.000 s  nothing to do

/usr  /overrides/usr over /stage/usr over /sysroot/usr
`, out.String())
}

// Under systemd alone there is neither a root that pkinit mounted nor a hand-off.
func TestWriteReportOfServices(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeReport(&out, report.Boot{Pkinit: "v1.2.3", Choice: report.Choice{Reason: "stage 1 is next and proven"}}))
	require.Equal(t, "pkinit  v1.2.3\nstage   stage 1 is next and proven\nstate   as it should be\n\n\n", out.String())
}
