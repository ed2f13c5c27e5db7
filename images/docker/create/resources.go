package create

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/PlanktoScope/pkbuild/images/docker"
)

// network records a network.
func (r *recorder) network(n object) object {
	name, _ := n["Name"].(string)
	n["Id"] = digest.FromString("network " + name).Encoded()
	r.networks[name] = n
	return n
}

func (r *recorder) createNetwork(q *http.Request) (any, error) {
	var n object
	if err := json.NewDecoder(q.Body).Decode(&n); err != nil {
		return nil, fault{http.StatusBadRequest, err.Error()}
	}
	return object{"Id": r.network(n)["Id"]}, nil
}

func (r *recorder) findNetwork(q *http.Request) (any, error) {
	for name, n := range r.networks {
		if asked := q.PathValue("name"); asked == name || asked == n["Id"] {
			return n, nil
		}
	}
	return nil, fault{http.StatusNotFound, "no such network: " + q.PathValue("name")}
}

func (r *recorder) listNetworks(q *http.Request) (any, error) {
	out := []object{}
	for _, name := range slices.Sorted(maps.Keys(r.networks)) {
		labels, _ := r.networks[name]["Labels"].(object)
		if matches(q.URL.Query().Get("filters"), labels) {
			out = append(out, r.networks[name])
		}
	}
	return out, nil
}

// connect adds a network to a requested container. Compose uses it with versions of Docker that create containers with one network
// only.
func (r *recorder) connect(q *http.Request) (any, error) {
	var asked struct {
		Container      string
		EndpointConfig object
	}
	if err := json.NewDecoder(q.Body).Decode(&asked); err != nil {
		return nil, fault{http.StatusBadRequest, err.Error()}
	}
	c := r.containers[asked.Container]
	found, err := r.findNetwork(q)
	if c == nil || err != nil {
		return nil, fault{http.StatusNotFound, fmt.Sprintf("no such container %s, or no such network", asked.Container)}
	}
	id := c.ID()
	network, _ := c.body["NetworkingConfig"].(object)
	endpoints, _ := network["EndpointsConfig"].(object)
	if endpoints == nil {
		endpoints = object{}
	}
	name, _ := found.(object)["Name"].(string)
	endpoints[name] = asked.EndpointConfig
	c.body["NetworkingConfig"] = object{"EndpointsConfig": endpoints}
	if c.Request, err = json.Marshal(c.body); err != nil {
		return nil, err
	}
	r.containers[id] = c
	return object{}, nil
}

func (r *recorder) createVolume(q *http.Request) (any, error) {
	var v struct {
		Name, Driver string
		DriverOpts   map[string]string
		Labels       map[string]string
	}
	if err := json.NewDecoder(q.Body).Decode(&v); err != nil {
		return nil, fault{http.StatusBadRequest, err.Error()}
	}
	if v.Driver != "" && v.Driver != "local" || len(v.DriverOpts) > 0 {
		return nil, fault{http.StatusNotImplemented, "driver and driver_opts of volume " + v.Name + " are not supported when containers are created at build time"}
	}
	r.volumes[v.Name] = docker.Volume{Name: v.Name, Labels: v.Labels}
	return describeVolume(r.volumes[v.Name]), nil
}

func describeVolume(v docker.Volume) object {
	return object{"Name": v.Name, "Driver": "local", "Labels": v.Labels, "Scope": "local", "Mountpoint": "/" + docker.Dir + "/volumes/" + v.Name + "/_data"}
}

func (r *recorder) volume(q *http.Request) (any, error) {
	v, ok := r.volumes[q.PathValue("name")]
	if !ok {
		return nil, fault{http.StatusNotFound, "no such volume: " + q.PathValue("name")}
	}
	return describeVolume(v), nil
}

func (r *recorder) listVolumes(q *http.Request) (any, error) {
	out := []object{}
	for _, name := range slices.Sorted(maps.Keys(r.volumes)) {
		labels := object{}
		for key, value := range r.volumes[name].Labels {
			labels[key] = value
		}
		if matches(q.URL.Query().Get("filters"), labels) {
			out = append(out, describeVolume(r.volumes[name]))
		}
	}
	return object{"Volumes": out}, nil
}
