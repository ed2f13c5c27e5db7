package qemu

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// realAnswers are the answers of a booted image of this project.
func realAnswers(t testing.TB) answers { return answersIn(t, "testdata/answers.json") }

func answersIn(t testing.TB, file string) answers {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	a := answers{}
	require.NoError(t, json.Unmarshal(data, &a))
	return a
}

func filled(t *testing.T, a answers) *Result {
	t.Helper()
	r := &Result{}
	r.fillSystem(a)
	require.NoError(t, r.fill(a))
	return r
}

func TestFill(t *testing.T) {
	r := filled(t, realAnswers(t))
	require.Equal(t, "running", r.System)
	require.Empty(t, r.Failed)
	require.Empty(t, r.Jobs)
	require.False(t, r.Foreign)
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
	require.Greater(t, r.Seconds.Agent, r.Seconds.Handoff)
	require.Greater(t, r.Seconds.Settled, r.Seconds.Agent)

	r.SSH = "SSH-2.0-x" // from outside of the guest
	require.Empty(t, Judge(r))
}

// The same image on a host with too much to do.
func TestFillSlow(t *testing.T) {
	r := filled(t, answersIn(t, "testdata/answers.slow.json"))
	r.SSH = "SSH-2.0-x"
	require.Equal(t, []string{
		"the system did not start in time; jobs: 110 docker.service start running; " +
			"1 graphical.target start waiting; 2 multi-user.target start waiting",
	}, Judge(r))
}

func TestFillForeign(t *testing.T) {
	a := realAnswers(t)
	a["pkinit"] = Output{Code: 1}
	require.True(t, filled(t, a).Foreign)
}

func TestFillErrors(t *testing.T) {
	tests := map[string]struct {
		question string
		answer   Output
		want     string
	}{
		"reloads unknown": {
			"reloads", out(1, "No journal files were found."),
			`guest's answer to reloads: exit code 1: "No journal files were found."`,
		},
		"reloads":   {"reloads", out(0, "many"), `guest's answer to reloads: exit code 0: "many"`},
		"uptime":    {"settled", Output{}, `guest's answer to settled: exit code 0: ""`},
		"mountinfo": {"mountinfo", out(0, "1 2 3"), "guest's mountinfo: parsing '1 2 3' failed: "},
		"overlay": {
			"mountinfo", out(0, `1 2 0:1 / /usr rw - overlay x rw,lowerdir=\9`),
			`guest's mountinfo: /usr: overlay option lowerdir=\9: `,
		},
		"units": {
			"units", out(1, "Failed to connect to bus"),
			"systemctl show in the guest: exit code 1: Failed to connect to bus",
		},
		"unit missing": {
			"files", out(0, "same /etc/systemd/system/x.service"), "systemctl show in the guest: x.service is missing",
		},
		"files": {
			"files", out(0, "sh: cmp: not found"), `list the stage's unit files: unexpected line "sh: cmp: not found"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := realAnswers(t)
			a[tt.question] = tt.answer
			require.ErrorContains(t, (&Result{}).fill(a), tt.want)
		})
	}
}

func TestFillReport(t *testing.T) {
	tests := map[string]struct {
		answer Output
		want   string
	}{
		"none": {
			out(1, "cat: /run/pkinit/boot.json: No such file or directory"),
			"cat: /run/pkinit/boot.json: No such file or directory",
		},
		"not JSON": {out(0, "{"), "/run/pkinit/boot.json: unexpected end of JSON input"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := realAnswers(t)
			a["report"] = tt.answer
			r := filled(t, a)
			require.Nil(t, r.Report)
			require.Equal(t, tt.want, r.NoReport)
		})
	}
}

func TestFillFailedAndJobs(t *testing.T) {
	a := realAnswers(t)
	a["system"] = Output{Code: timedOut}
	a["failed"] = out(0, "a.service loaded failed failed A service\nb.mount loaded failed failed B")
	a["jobs"] = out(0, "7 c.service   start running")
	a["stage"] = out(2, "ls: cannot access")
	r := filled(t, a)
	require.Equal(t, []string{"a.service", "b.mount"}, r.Failed)
	require.Equal(t, []string{"7 c.service start running"}, r.Jobs)
	require.Empty(t, r.Layers)
	require.Empty(t, r.System)
}

func FuzzFill(f *testing.F) {
	good, err := os.ReadFile("testdata/answers.json")
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"units": {"code": 0, "output": "Id=a"}, "files": {"code": 0, "output": "same a"}}`))
	f.Add([]byte(`{"report": {"output": "{}"}, "mountinfo": {"output": "1 2 0:1 / / rw - ext4 x rw"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a := answers{}
		if json.Unmarshal(text, &a) != nil {
			return
		}
		r := &Result{}
		r.fillSystem(a)
		_ = r.fill(a)
		_ = Judge(r)
	})
}
