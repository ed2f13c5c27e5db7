package qemu

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// realAnswer is what the probe said of a boot of the image that the project ships.
func realAnswer(t *testing.T) answer { return answerIn(t, "testdata/answer") }

func answerIn(t *testing.T, file string) answer {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	a, err := readAnswer(f)
	require.NoError(t, err)
	return a
}

func TestFill(t *testing.T) {
	r := &Result{}
	require.NoError(t, r.fill(realAnswer(t), nil))
	require.Equal(t, "running", r.System)
	require.Empty(t, r.Failed)
	require.Empty(t, r.Jobs)
	require.Equal(t, []string{"etc", "usr"}, r.Layers)
	require.Equal(t, &Bind{Root: "/var/lib/forklift/stages/1", Options: "ro,relatime"}, r.Stage)
	require.Equal(t, r.Report.Overlays, r.Overlays)
	require.Equal(t, 1, r.Report.Choice.Stage)
	require.Equal(t, 1, r.Sysroot.Code)
	require.Len(t, r.Units, 2)
	for _, u := range r.Units {
		require.Equal(t, "active", u.Active, u.ID)
		require.Equal(t, u.StagePath, u.Path, u.ID)
		require.True(t, u.Same, u.ID)
	}
	require.Positive(t, r.Seconds.Handoff)
	require.Greater(t, r.Seconds.Probe, r.Seconds.Handoff)
	require.Greater(t, r.Seconds.Settled, r.Seconds.Probe)

	r.SSH = "SSH-2.0-x" // seen from outside
	require.Empty(t, Judge(r))
}

// The answer is that of the same image on a host with too much to do.
func TestFillSlow(t *testing.T) {
	r := &Result{}
	require.NoError(t, r.fill(answerIn(t, "testdata/answer.slow"), nil))
	r.SSH = "SSH-2.0-x"
	require.Equal(t, []string{
		"the system had not started when its time was up; jobs: 110 docker.service start running; " +
			"1 graphical.target start waiting; 2 multi-user.target start waiting",
	}, Judge(r))
}

func TestFillErrors(t *testing.T) {
	tests := map[string]struct {
		section string
		text    string
		code    int
		want    string
	}{
		"reloads unknown": {
			"reloads", "No journal files were found.", 1,
			`the probe says of reloads: exit code 1: "No journal files were found."`,
		},
		"reloads":   {"reloads", "many", 0, `the probe says of reloads: exit code 0: "many"`},
		"uptime":    {"settled", "", 0, `the probe says of settled: exit code 0: ""`},
		"mountinfo": {"mountinfo", "1 2 3", 0, "mountinfo of the machine: parsing '1 2 3' failed: "},
		"overlay": {
			"mountinfo", `1 2 0:1 / /usr rw - overlay x rw,lowerdir=\9`, 0,
			`mountinfo of the machine: /usr: overlay option lowerdir=\9: `,
		},
		"units": {
			"units", "Failed to connect to bus", 1, "systemctl show in the machine: exit code 1: Failed to connect to bus",
		},
		"unit not said": {
			"files", "same /etc/systemd/system/x.service", 0, "systemctl show in the machine: nothing of x.service",
		},
		"files": {
			"files", "sh: cmp: not found", 0, `unit files of the stage: "sh: cmp: not found" is out of place`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := realAnswer(t)
			a[tt.section] = section{code: tt.code, lines: strings.Split(tt.text, "\n")}
			require.ErrorContains(t, (&Result{}).fill(a, nil), tt.want)
		})
	}
}

func TestFillMissesSections(t *testing.T) {
	for name := range realAnswer(t) {
		a := realAnswer(t)
		delete(a, name)
		require.EqualError(t, (&Result{}).fill(a, nil), "the probe does not say: "+name)
	}
	err := (&Result{}).fill(realAnswer(t), []Check{{Name: "a"}})
	require.EqualError(t, err, "the probe does not say: check.000")
}

func TestFillChecks(t *testing.T) {
	a := realAnswer(t)
	a["check.000"] = section{lines: []string{"a", "b"}}
	a["check.001"] = section{code: 124}
	r := &Result{}
	require.NoError(t, r.fill(a, []Check{{Name: "one"}, {Name: "two"}}))
	require.Equal(t, []Attempt{{Name: "one", Output: "a\nb"}, {Name: "two", Code: 124}}, r.Checks)
}

func TestFillReport(t *testing.T) {
	tests := map[string]struct {
		s    section
		want string
	}{
		"none": {
			section{code: 1, lines: []string{"cat: /run/pkinit/boot.json: No such file or directory"}},
			"cat: /run/pkinit/boot.json: No such file or directory",
		},
		"no JSON": {section{lines: []string{"{"}}, "/run/pkinit/boot.json: unexpected end of JSON input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := realAnswer(t)
			a["report"] = tt.s
			r := &Result{}
			require.NoError(t, r.fill(a, nil))
			require.Nil(t, r.Report)
			require.Equal(t, tt.want, r.NoReport)
		})
	}
}

func TestFillFailedAndJobs(t *testing.T) {
	a := realAnswer(t)
	a["system"] = section{code: 124}
	a["failed"] = section{lines: []string{"a.service loaded failed failed A service", "b.mount loaded failed failed B"}}
	a["jobs"] = section{code: 0, lines: []string{"7 c.service start running"}}
	a["stage"] = section{code: 2, lines: []string{"ls: cannot access"}}
	r := &Result{}
	require.NoError(t, r.fill(a, nil))
	require.Equal(t, []string{"a.service", "b.mount"}, r.Failed)
	require.Equal(t, []string{"7 c.service start running"}, r.Jobs)
	require.Empty(t, r.Layers)
	require.Empty(t, r.System)
}
