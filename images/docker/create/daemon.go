package create

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// daemonFile is the path of Docker's configuration: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
const daemonFile = "etc/docker/daemon.json"

// harmless are the settings of Docker that do not affect created containers.
var harmless = []string{
	"bip", "bridge", "builder", "debug", "default-address-pools", "dns", "dns-opts", "dns-search", "experimental", "features", "fixed-cidr",
	"fixed-cidr-v6", "hosts", "icc", "insecure-registries", "ip", "ip-forward", "ip-masq", "ip6tables", "iptables", "ipv6", "labels",
	"live-restore", "log-format", "log-level", "max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts", "metrics-addr",
	"mtu", "pidfile", "registry-mirrors", "shutdown-timeout", "userland-proxy",
}

// defaults returns Docker's defaults on the device, from the overlay of the stage or from the image.
func defaults(t *tree.Tree, stage Link) (d docker.Defaults, err error) {
	name := path.Join(strings.TrimPrefix(stage.Target, "/"), "exports/overlays", daemonFile)
	if t.Get(name) == nil {
		name = daemonFile
	}
	if t.Get(name) == nil {
		return d, nil
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return d, fmt.Errorf("read /%s: %w", name, err)
	}
	settings := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &settings); err != nil {
		return d, fmt.Errorf("read /%s: %w", name, err)
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		switch {
		case key == "log-driver":
			err = json.Unmarshal(settings[key], &d.LogType)
		case key == "log-opts":
			err = json.Unmarshal(settings[key], &d.LogOpts)
		case !slices.Contains(harmless, key):
			err = errors.New("setting of Docker is not supported when containers are created at build time")
		}
		if err != nil {
			return d, fmt.Errorf("read /%s: %s: %w", name, key, err)
		}
	}
	return d, nil
}
