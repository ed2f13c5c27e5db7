package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Defaults are settings of a Docker daemon that new containers inherit: the API version and the log driver with its
// options.
type Defaults struct {
	API     string // version of the daemon's API, such as 1.45
	LogType string // empty: json-file
	LogOpts map[string]string
}

// object is a JSON object.
type object = map[string]any

// completeContainer is a container with the settings that Docker adds to a request.
type completeContainer struct {
	id           string
	config, host object
	mounts       []mount
}

// complete returns a container as Docker would create it: settings that the request lacks come from the image's configuration,
// then from the defaults. It fails for settings that only Docker can complete.
func (d Defaults) complete(c Container, imageConfig json.RawMessage) (completeContainer, error) {
	config, err := parse(c.Request)
	if err != nil {
		return completeContainer{}, fmt.Errorf("parse the request to create the container: %w", err)
	}
	var image struct{ Config object }
	if err := json.Unmarshal(imageConfig, &image); err != nil {
		return completeContainer{}, fmt.Errorf("parse the configuration of the image: %w", err)
	}
	host, _ := config["HostConfig"].(object)
	network, _ := config["NetworkingConfig"].(object)
	delete(config, "HostConfig")
	delete(config, "NetworkingConfig")
	if err := errors.Join(checkKeys(config, configKeys), checkKeys(host, hostKeys)); err != nil {
		return completeContainer{}, err
	}
	inherit(config, image.Config)
	command := append(texts(config["Entrypoint"]), texts(config["Cmd"])...)
	if len(command) == 0 {
		return completeContainer{}, errors.New("neither the container nor its image has a command")
	}
	id := c.ID()
	if mode := text(host["NetworkMode"]); text(config["Hostname"]) == "" && mode != "host" {
		config["Hostname"] = id[:12]
	}
	d.completeHost(host)
	sortLists(config, host, network)
	mounts, err := mountsOf(id, config, host)
	if err != nil {
		return completeContainer{}, err
	}
	networks, err := networksOf(host, network)
	if err != nil {
		return completeContainer{}, err
	}
	points := object{}
	for _, m := range mounts {
		points[m.Destination] = m
	}
	return completeContainer{id: id, host: host, mounts: mounts, config: object{
		"ID": id, "Name": "/" + c.Name, "Created": c.Created.UTC(), "Image": c.Image.String(), "Driver": "overlay2", "OS": "linux",
		"Path": command[0], "Args": command[1:], "Config": config, "MountPoints": points,
		"State": object{}, "StreamConfig": object{}, "NetworkSettings": object{"Networks": networks},
	}}, nil
}

// parse parses a JSON object and keeps its numbers as text.
func parse(data []byte) (object, error) {
	var out object
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	return out, in.Decode(&out)
}

// inherit copies settings that a container lacks from the image's configuration, as Docker's runconfig does.
func inherit(config, image object) {
	if len(texts(config["Entrypoint"])) == 0 {
		if len(texts(config["Cmd"])) == 0 {
			config["Cmd"] = image["Cmd"]
		}
		if config["Entrypoint"] == nil {
			config["Entrypoint"] = image["Entrypoint"]
		}
	}
	for _, key := range []string{"User", "WorkingDir", "StopSignal"} {
		if text(config[key]) == "" && text(image[key]) != "" {
			config[key] = image[key]
		}
	}
	for _, key := range []string{"ExposedPorts", "Labels", "Volumes"} {
		config[key] = union(config[key], image[key])
	}
	config["Env"] = environment(texts(config["Env"]), texts(image["Env"]))
	if check, ok := image["Healthcheck"].(object); ok {
		config["Healthcheck"] = healthcheck(config["Healthcheck"], check)
	}
}

// sortLists sorts the lists whose order does not matter to Docker, since Compose orders them differently each time.
func sortLists(config, host, network object) {
	variables := texts(config["Env"])
	slices.Sort(variables)
	config["Env"] = variables
	for _, key := range []string{"Binds", "ExtraHosts"} {
		if all := texts(host[key]); len(all) > 0 {
			slices.Sort(all)
			host[key] = all
		}
	}
	if all, ok := host["Mounts"].([]any); ok {
		target := func(v any) string { spec, _ := v.(object); return text(spec["Target"]) }
		slices.SortFunc(all, func(a, b any) int { return strings.Compare(target(a), target(b)) })
	}
	endpoints, _ := network["EndpointsConfig"].(object)
	for _, one := range endpoints {
		if e, ok := one.(object); ok && e["Aliases"] != nil {
			names := texts(e["Aliases"])
			slices.Sort(names)
			e["Aliases"] = names
		}
	}
}

// union returns an object with the keys of both; those of the first win.
func union(first, second any) any {
	a, _ := first.(object)
	b, _ := second.(object)
	if len(b) == 0 {
		return first
	}
	out := maps.Clone(b)
	maps.Copy(out, a)
	return out
}

// environment returns variables, and those of another list whose names it lacks.
func environment(first, second []string) []string {
	name := func(variable string) string { n, _, _ := strings.Cut(variable, "="); return n }
	for _, variable := range second {
		if !slices.ContainsFunc(first, func(v string) bool { return name(v) == name(variable) }) {
			first = append(first, variable)
		}
	}
	return first
}

// healthcheck returns a health check; settings that it lacks come from the image's.
func healthcheck(own any, image object) any {
	out, _ := own.(object)
	if out == nil {
		return image
	}
	for key, value := range image {
		if isZero(out[key]) {
			out[key] = value
		}
	}
	return out
}

// completeHost adds the daemon's defaults to a container's host configuration, except what Docker decides at the start of the
// container, such as masked paths.
func (d Defaults) completeHost(host object) {
	log, _ := host["LogConfig"].(object)
	kind := orDefault(d.LogType, "json-file")
	options := object{}
	if own := text(log["Type"]); own == "" || own == kind {
		for key, value := range d.LogOpts {
			options[key] = value
		}
	} else {
		kind = own
	}
	own, _ := log["Config"].(object)
	maps.Copy(options, own)
	host["LogConfig"] = object{"Type": kind, "Config": options}
	for key, value := range map[string]any{"CgroupnsMode": "private", "IpcMode": "private", "Runtime": "runc", "ShmSize": 64 << 20} {
		if isZero(host[key]) {
			host[key] = value
		}
	}
	host["OomKillDisable"] = false
	if !isZero(host["Privileged"]) || text(host["PidMode"]) == "host" || text(host["IpcMode"]) == "host" {
		host["SecurityOpt"] = []string{"label=disable"}
	}
}

func orDefault(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

// networksOf returns the networks of a container by name. They get their IDs when it starts.
func networksOf(host, network object) (object, error) {
	mode := text(host["NetworkMode"])
	if strings.HasPrefix(mode, "container:") {
		return nil, errors.New("network_mode container: is not supported when containers are created at build time")
	}
	out, _ := network["EndpointsConfig"].(object)
	if len(out) == 0 {
		if mode == "" || mode == "default" {
			mode = "bridge"
		}
		out = object{mode: nil}
	}
	for name, one := range out {
		endpoint, ok := one.(object)
		if !ok {
			endpoint = object{}
			out[name] = endpoint
		}
		endpoint["NetworkID"] = "" // Docker ignores a network without any setting
	}
	return out, nil
}

func text(v any) string { s, _ := v.(string); return s }

func texts(v any) []string {
	var out []string
	switch all := v.(type) {
	case []any:
		for _, one := range all {
			out = append(out, text(one))
		}
	case []string:
		out = all
	}
	return out
}
