package apply_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/stages/apply"
)

func TestChecks(t *testing.T) {
	dir := t.TempDir()
	usr, etc := filepath.Join(dir, "usr"), filepath.Join(dir, "etc")
	for _, name := range []string{"usr/20-pump", "usr/10-camera", "usr/30-focus", "usr/40-sd", "etc/10-camera", "etc/15-site",
		"etc/.hidden", "etc/15-site~", "etc/15-site.dpkg-old", "etc/#15-site#"} {
		write(t, filepath.Join(dir, name), "#!/bin/sh\n")
	}
	require.NoError(t, os.Symlink("/dev/null", filepath.Join(etc, "30-focus")))
	write(t, filepath.Join(etc, "40-sd"), "")
	require.NoError(t, os.Mkdir(filepath.Join(etc, "lib"), 0o755))
	found, err := apply.Checks(usr, etc, filepath.Join(dir, "nowhere"))
	require.NoError(t, err)
	require.Equal(t, []string{etc + "/10-camera", etc + "/15-site", usr + "/20-pump"}, found)

	require.NoError(t, os.Symlink("gone", filepath.Join(etc, "50-x")))
	_, err = apply.Checks(usr, etc)
	require.EqualError(t, err, "find health checks: stat "+etc+"/50-x: no such file or directory")
	_, err = apply.Checks(usr + "/20-pump")
	require.ErrorContains(t, err, "find health checks: ")
}

func TestSystemdCheck(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string, mode os.FileMode) string {
		write(t, filepath.Join(dir, name), "#!/bin/sh\n"+text)
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
		return filepath.Join(dir, name)
	}
	s := apply.Systemd{Stage: 7}
	t.Setenv("SECRET", "mine")
	out, err := s.Check(t.Context(), script("good", "pwd; echo stage $PKCTL_STAGE $SECRET; echo err >&2", 0o755))
	require.NoError(t, err)
	require.Equal(t, "/\nstage 7\nerr", out)

	out, err = s.Check(t.Context(), script("bad", "yes 1234567 | head -n 1000; echo broken; exit 3", 0o755))
	require.EqualError(t, err, "exit status 3")
	require.True(t, strings.HasPrefix(out, "…") && strings.HasSuffix(out, "1234567\nbroken"), out)
	require.Less(t, len(out), 2100)

	_, err = s.Check(t.Context(), script("plain", "", 0o644))
	require.ErrorContains(t, err, "permission denied")

	// The processes that it started are killed, also if they hold its output open.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("too late"))
	defer cancel()
	out, err = s.Check(ctx, script("hang", "echo $$; sleep 1000 & sleep 1000", 0o755))
	require.EqualError(t, err, "too late")
	require.NoDirExists(t, "/proc/"+out)
}
