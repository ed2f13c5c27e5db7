package apply

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFailedUnits(t *testing.T) {
	for text, want := range map[string][]string{
		"Id=sysinit.target\nLoadState=loaded\nActiveState=active\n\nResult=success\nId=a.service\nLoadState=loaded\nActiveState=inactive\n": nil,
		"Result=exit-code\nId=a.service\nLoadState=loaded\nActiveState=failed\n":                                                            {"unit a.service is failed (exit-code)"},
		"Result=timeout\nId=a.service\nLoadState=loaded\nActiveState=activating\n":                                                          {"unit a.service is activating (timeout)"},
		"Result=success\nId=b.service\nLoadState=not-found\nActiveState=inactive\n":                                                         {"unit b.service is not-found"},
	} {
		require.Equal(t, want, failedUnits(text), text)
	}
}

func TestContainerHealthy(t *testing.T) {
	for _, c := range []struct {
		state, status string
		want          bool
	}{
		{"running", "Up 2 minutes", true},
		{"running", "Up 2 minutes (healthy)", true},
		{"running", "Up 2 minutes (unhealthy)", false},
		{"running", "Up 2 seconds (health: starting)", false},
		{"exited", "Exited (0) 2 minutes ago", true},
		{"exited", "Exited (137) 2 minutes ago", false},
		{"restarting", "Restarting (0) 2 seconds ago", false},
		{"created", "Created", false},
		{"paused", "Up 2 minutes (Paused)", false},
	} {
		require.Equal(t, c.want, Container{State: c.state, Status: c.status}.healthy(), "%s %s", c.state, c.status)
	}
}
