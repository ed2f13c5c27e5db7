package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// mount is a mount of a container in Docker's format.
type mount struct {
	Source      string
	Destination string
	RW          bool
	Name        string // of a volume
	Driver      string // of a volume
	Type        string // bind or volume
	Relabel     string `json:",omitempty"`
	Propagation string `json:",omitempty"`
	Spec        object
	// SkipMountpointCreation is set if the source must exist.
	SkipMountpointCreation bool

	anonymous bool // a volume of this container only
	noCopy    bool // the volume does not get the image's files
}

// mountsOf returns the mounts of a container, sorted by destination.
func mountsOf(id string, config, host object) ([]mount, error) {
	found := map[string]mount{}
	for _, bind := range texts(host["Binds"]) {
		m, err := parseBind(bind)
		if err != nil {
			return nil, err
		}
		found[m.Destination] = m
	}
	all, _ := host["Mounts"].([]any)
	for _, one := range all {
		spec, _ := one.(object)
		m, err := parseMount(id, spec)
		if err != nil {
			return nil, err
		}
		found[m.Destination] = m
	}
	declared, _ := config["Volumes"].(object)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		at := path.Clean(name)
		if _, taken := found[at]; !taken {
			m := volume(id, at, "")
			m.Relabel, m.Spec = "", object{}
			found[at] = m
		}
	}
	var out []mount
	for _, at := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[at])
	}
	return out, nil
}

// parseBind parses a mount in the short form, SOURCE:DESTINATION[:MODE].
func parseBind(text string) (mount, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || !path.IsAbs(parts[1]) {
		return mount{}, fmt.Errorf("volumes: %q is not supported when containers are created at build time", text)
	}
	mode := ""
	if len(parts) == 3 {
		mode = parts[2]
	}
	readOnly := false
	for option := range strings.SplitSeq(mode, ",") {
		switch option {
		case "ro":
			readOnly = true
		case "", "rw", "z", "Z":
		default:
			return mount{}, fmt.Errorf("volumes: option %q of %q is not supported when containers are created at build time", option, text)
		}
	}
	m := mount{Source: parts[0], Destination: path.Clean(parts[1]), RW: !readOnly, Relabel: mode}
	if !path.IsAbs(m.Source) {
		return mount{}, fmt.Errorf("volumes: source %q of %q is not an absolute path", m.Source, text)
	}
	m.Type, m.Propagation = "bind", "rprivate"
	m.Spec = object{"Type": "bind", "Source": m.Source, "Target": m.Destination}
	if readOnly {
		m.Spec["ReadOnly"] = true
	}
	return m, nil
}

// parseMount parses a mount in the long form.
func parseMount(id string, spec object) (mount, error) {
	at, kind := path.Clean(text(spec["Target"])), text(spec["Type"])
	var options struct {
		BindOptions   struct{ Propagation string }
		VolumeOptions struct{ NoCopy bool }
	}
	if err := decodeOptions(spec, &options); err != nil {
		return mount{}, fmt.Errorf("volumes: options of the %s mount at %s: %w", kind, at, err)
	}
	var m mount
	switch kind {
	case "volume":
		m = volume(id, at, text(spec["Source"]))
		m.noCopy = options.VolumeOptions.NoCopy
	case "bind":
		m = mount{Source: text(spec["Source"]), Destination: at, Type: kind, SkipMountpointCreation: true}
		m.Propagation = orDefault(options.BindOptions.Propagation, "rprivate")
	default:
		return mount{}, fmt.Errorf("volumes: type %s at %s is not supported when containers are created at build time", kind, at)
	}
	m.RW, m.Spec = isZero(spec["ReadOnly"]), spec
	return m, nil
}

// decodeOptions decodes the options of a mount. It fails if an unknown one is set.
func decodeOptions(spec object, options any) error {
	rest := maps.Clone(spec)
	for _, key := range []string{"Target", "Type", "Source", "ReadOnly"} {
		delete(rest, key)
	}
	for key, value := range rest {
		own, ok := value.(object)
		if !ok {
			continue
		}
		own = maps.Clone(own)
		maps.DeleteFunc(own, func(_ string, v any) bool { return isZero(v) })
		rest[key] = own
	}
	data, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	in := json.NewDecoder(strings.NewReader(string(data)))
	in.DisallowUnknownFields()
	return in.Decode(options)
}

// volume returns the mount of a volume. Anonymous volumes get a unique name.
func volume(id, at, name string) mount {
	m := mount{Destination: at, RW: true, Name: name, Driver: "local", Type: "volume", Relabel: "z"}
	if name == "" {
		m.Name, m.anonymous = derive("volume", id, at), true
	}
	return m
}
