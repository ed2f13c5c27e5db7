package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// mount is something mounted in a container, as Docker keeps it.
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
	// SkipMountpointCreation is set where what is mounted has to be there.
	SkipMountpointCreation bool

	anonymous bool // a volume that only this container knows
	noCopy    bool // a volume that does not begin with what the image has there
}

// mountsOf are the mounts of a container, in the order of where they go.
func mountsOf(id string, config, host object) ([]mount, error) {
	found := map[string]mount{}
	for _, bind := range texts(host["Binds"]) {
		m, err := bound(bind)
		if err != nil {
			return nil, err
		}
		found[m.Destination] = m
	}
	all, _ := host["Mounts"].([]any)
	for _, one := range all {
		spec, _ := one.(object)
		m, err := mounted(id, spec)
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

// bound reads a mount in its short form, SOURCE:DESTINATION[:MODE].
func bound(text string) (mount, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || !path.IsAbs(parts[1]) {
		return mount{}, fmt.Errorf("volumes: %q cannot be settled without Docker", text)
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
			return mount{}, fmt.Errorf("volumes: option %q of %q cannot be settled without Docker", option, text)
		}
	}
	m := mount{Source: parts[0], Destination: path.Clean(parts[1]), RW: !readOnly, Relabel: mode}
	if !path.IsAbs(m.Source) {
		return mount{}, fmt.Errorf("volumes: %q is no path in %q", m.Source, text)
	}
	m.Type, m.Propagation = "bind", "rprivate"
	m.Spec = object{"Type": "bind", "Source": m.Source, "Target": m.Destination}
	if readOnly {
		m.Spec["ReadOnly"] = true
	}
	return m, nil
}

// mounted reads a mount in its long form.
func mounted(id string, spec object) (mount, error) {
	at, kind := path.Clean(text(spec["Target"])), text(spec["Type"])
	var options struct {
		BindOptions   struct{ Propagation string }
		VolumeOptions struct{ NoCopy bool }
	}
	if err := strict(spec, &options); err != nil {
		return mount{}, fmt.Errorf("volumes: %s at %s: %w", kind, at, err)
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
		return mount{}, fmt.Errorf("volumes: type %s at %s cannot be settled without Docker", kind, at)
	}
	m.RW, m.Spec = zero(spec["ReadOnly"]), spec
	return m, nil
}

// strict reads the options of a mount. One that is set and not known is an error.
func strict(spec object, options any) error {
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
		maps.DeleteFunc(own, func(_ string, v any) bool { return zero(v) })
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

// volume is the mount of a volume. One without a name gets one that nobody else has.
func volume(id, at, name string) mount {
	m := mount{Destination: at, RW: true, Name: name, Driver: "local", Type: "volume", Relabel: "z"}
	if name == "" {
		m.Name, m.anonymous = derive("volume", id, at), true
	}
	return m
}
