package docker

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Service is docker.service, the systemd service of the Docker daemon, together with docker.socket, which would start a
// stopped daemon again at the next connection.
type Service struct{}

// Stop stops docker.socket and the Docker daemon, and with it the containers. The daemon starts again at the next boot if
// its service is enabled.
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
