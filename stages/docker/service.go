package docker

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Service is the systemd service of the Docker daemon, with the socket that would start it again.
type Service struct{}

// Stop stops the Docker daemon and its containers.
func (Service) Stop(ctx context.Context) error { return systemctl(ctx, "stop") }

// Start starts the Docker daemon, which starts containers by their restart policies.
func (Service) Start(ctx context.Context) error { return systemctl(ctx, "start") }

func systemctl(ctx context.Context, verb string) error {
	out, err := exec.CommandContext(ctx, "systemctl", verb, "docker.socket", "docker.service").CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s docker.socket docker.service: %w: %s", verb, err, strings.TrimSpace(string(out)))
	}
	return nil
}
