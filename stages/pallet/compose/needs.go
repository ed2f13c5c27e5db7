package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"go.podman.io/image/v5/docker/reference"
)

// predefined are the networks that Docker creates itself.
var predefined = []string{"bridge", "host", "none"}

// collect fills in all fields but App.
func (p *Project) collect(from *types.Project) {
	for _, u := range []*Uses{&p.Networks, &p.Volumes} {
		*u = Uses{Created: map[string][]any{}, External: map[string][]any{}}
	}
	networks, volumes := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(from.Services)) {
		s := from.Services[name]
		p.image(s)
		if s.Image != "" {
			p.Images[s.Name] = s.Image
		}
		p.binds(s)
		p.files(s, from)
		p.ports(s)
		if s.ContainerName != "" {
			p.Containers = append(p.Containers, Container{servicePath(s, "container_name"), s.ContainerName})
		}
		for network := range s.Networks {
			networks[network] = true
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" {
				volumes[v.Source] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(networks)) {
		n := from.Networks[key]
		if !bool(n.External) || !slices.Contains(predefined, n.Name) {
			p.Networks.add([]any{"networks", key}, cmp.Or(n.Name, key), bool(n.External))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(volumes)) {
		v := from.Volumes[key]
		p.Volumes.add([]any{"volumes", key}, cmp.Or(v.Name, key), bool(v.External))
		switch device := v.DriverOpts["device"]; {
		case bool(v.External) || v.DriverOpts["o"] != "bind":
		case strings.HasPrefix(device, "."):
			p.mistake([]any{"volumes", key}, "device %s of volume %s is a relative path, which needs driver: local", device, key)
		default:
			p.need([]any{"volumes", key}, device, "device of volume "+key, false, false)
		}
	}
}

func servicePath(s types.ServiceConfig, key string) []any { return []any{"services", s.Name, key} }

func (u *Uses) add(at []any, name string, external bool) {
	if external {
		u.External[name] = at
	} else {
		u.Created[name] = at
	}
}

func (p *Project) mistake(at []any, format string, args ...any) {
	p.Mistakes = append(p.Mistakes, Mistake{at, fmt.Sprintf(format, args...)})
}

// image checks that a service has an image that can be downloaded.
func (p *Project) image(s types.ServiceConfig) {
	if s.Image == "" {
		if s.Build != nil {
			p.mistake(servicePath(s, "build"), "service %s has to be built, and devices build no images; build it elsewhere and "+
				"give it an image", s.Name)
		}
		return
	}
	if _, err := reference.ParseNormalizedNamed(s.Image); err != nil {
		hint := ""
		if strings.Trim(s.Image, ":@/") != s.Image {
			hint = " (variables in compose files of a pallet have no value)"
		}
		p.mistake(servicePath(s, "image"), "image %q of service %s is not an image reference: %v%s", s.Image, s.Name, err, hint)
	}
}

// need adds a need if a path is in the bundle. A relative path out of the bundle is a mistake.
func (p *Project) need(at []any, name, use string, file, env bool) {
	switch inside, ok := strings.CutPrefix(path.Clean(name), bundle+"/"); {
	case ok:
		p.Needs = append(p.Needs, Need{Path: at, Name: inside, Use: use, File: file, Env: env})
	case strings.HasPrefix(name, outside+"/"):
		p.mistake(at, "%s is a relative path that leads out of the bundle; give an absolute path of the device", use)
	}
}

// binds adds the needs of bind mounts. Docker would create a missing directory, but the bundle is read-only.
func (p *Project) binds(s types.ServiceConfig) {
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			p.need(servicePath(s, "volumes"), v.Source, "bind mount of service "+s.Name, false, false)
		}
	}
}

// files adds the needs of env files, configs and secrets.
func (p *Project) files(s types.ServiceConfig, from *types.Project) {
	for _, f := range s.EnvFiles {
		if f.Required {
			p.need(servicePath(s, "env_file"), f.Path, "env file of service "+s.Name, true, f.Format == "")
		}
	}
	for _, c := range s.Configs {
		p.object("config", []any{"configs", c.Source}, c.Source, types.FileObjectConfig(from.Configs[c.Source]))
	}
	for _, c := range s.Secrets {
		p.object("secret", []any{"secrets", c.Source}, c.Source, types.FileObjectConfig(from.Secrets[c.Source]))
	}
}

// object adds the need of a config or secret, or its mistake.
func (p *Project) object(kind string, at []any, name string, o types.FileObjectConfig) {
	switch {
	case bool(o.External):
		p.mistake(at, "%s %s is external, which Docker supports in swarms only", kind, name)
	case o.Environment != "":
		p.mistake(at, "%s %s is from the variable %s, and stages have no environment", kind, name, o.Environment)
	case o.File != "":
		p.need(at, o.File, kind+" "+name, true, false)
	}
}

// ports adds the published ports with fixed numbers.
func (p *Project) ports(s types.ServiceConfig) {
	if s.NetworkMode == "host" {
		return // published ports are ignored
	}
	for _, c := range s.Ports {
		number, err := strconv.Atoi(c.Published)
		if err != nil || number == 0 {
			continue // chosen by Docker, or from a range
		}
		at := servicePath(s, "ports")
		if n := s.GetScale(); n > 1 {
			p.mistake(at, "service %s has %d containers, of which only one can publish port %d", s.Name, n, number)
		}
		ip := c.HostIP
		if ip == "0.0.0.0" || ip == "::" {
			ip = ""
		}
		p.Ports = append(p.Ports, Port{at, s.Name, ip, number, cmp.Or(c.Protocol, "tcp")})
	}
}

// CheckEnvFile parses the content of an env file (lines of NAME=VALUE) and returns the error that Compose would report; nil
// if there is none.
func CheckEnvFile(content string) error {
	_, err := dotenv.UnmarshalWithLookup(content, func(string) (string, bool) { return "", false })
	return err
}
