package create

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
)

// recorder implements as much of Docker's API as Compose uses to create containers, and records the requests. It pretends to be a
// Docker with images only: https://docs.docker.com/reference/api/engine/.
type recorder struct {
	images []images.Image
	date   time.Time
	ready  chan struct{} // closed when api is set
	api    string        // version of the API; empty: the version of Docker is unknown

	mutex      sync.Mutex
	containers map[string]*request // by ID
	volumes    map[string]docker.Volume
	networks   map[string]object // by name
}

// request is the request to create a container.
type request struct {
	docker.Container
	body object
}

type object = map[string]any

func newRecorder(all []images.Image, date time.Time) *recorder {
	r := &recorder{
		images: all, date: date, ready: make(chan struct{}),
		containers: map[string]*request{}, volumes: map[string]docker.Volume{}, networks: map[string]object{},
	}
	for _, name := range []string{"bridge", "host", "none"} { // built-in networks
		r.network(object{"Name": name, "Driver": name})
	}
	return r
}

// fault is an error response.
type fault struct {
	status  int
	message string
}

func (f fault) Error() string { return f.message }

// handlers returns the supported requests, as patterns of net/http without the version in the path.
func (r *recorder) handlers() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /info":                     r.info,
		"GET /version":                  r.version,
		"GET /images/{name...}":         r.image,
		"GET /containers/json":          r.listContainers,
		"GET /containers/{id}/json":     r.inspect,
		"POST /containers/create":       r.create,
		"GET /networks":                 r.listNetworks,
		"GET /networks/{name}":          r.findNetwork,
		"POST /networks/create":         r.createNetwork,
		"POST /networks/{name}/connect": r.connect,
		"GET /volumes":                  r.listVolumes,
		"GET /volumes/{name}":           r.volume,
		"POST /volumes/create":          r.createVolume,
	}
}

var versioned = regexp.MustCompile(`^/v[0-9.]+/`)

// handler returns the handler of the API.
func (r *recorder) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range r.handlers() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, q *http.Request) {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			reply(w, q, answer)
		})
	}
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") })
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		reply(w, q, func(*http.Request) (any, error) {
			return nil, fault{http.StatusNotImplemented, "not supported when containers are created at build time: " + q.Method + " " + q.URL.Path}
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		<-r.ready
		if r.api == "" {
			http.Error(w, "version of Docker is unknown", http.StatusInternalServerError)
			return
		}
		w.Header().Set("API-Version", r.api)
		w.Header().Set("OSType", "linux")
		q.URL.Path = versioned.ReplaceAllString(q.URL.Path, "/")
		q.URL.RawPath = ""
		mux.ServeHTTP(w, q)
	})
}

func reply(w http.ResponseWriter, q *http.Request, answer func(*http.Request) (any, error)) {
	out, err := answer(q)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := http.StatusInternalServerError
		if f, ok := err.(fault); ok {
			status = f.status
		}
		w.WriteHeader(status)
		out = object{"message": err.Error()}
	} else if q.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(out) // the client may have closed the connection
}

func (r *recorder) info(*http.Request) (any, error) {
	return object{"OSType": "linux", "ServerVersion": r.api, "DefaultRuntime": "runc", "CgroupVersion": "2"}, nil
}

func (r *recorder) version(*http.Request) (any, error) {
	return object{"ApiVersion": r.api, "MinAPIVersion": "1.24", "Os": "linux"}, nil
}

// image returns the properties of an image.
func (r *recorder) image(q *http.Request) (any, error) {
	name, ok := strings.CutSuffix(q.PathValue("name"), "/json")
	if !ok {
		return nil, fault{http.StatusNotImplemented, "not supported when containers are created at build time: " + q.URL.Path}
	}
	image, err := r.find(name)
	if err != nil {
		return nil, err
	}
	var out object
	if err := json.Unmarshal(image.Config, &out); err != nil {
		return nil, fmt.Errorf("configuration of image %s: %w", name, err)
	}
	platform := object{"Id": image.ID(), "RepoTags": image.Names, "RepoDigests": []string{}}
	for from, to := range map[string]string{"architecture": "Architecture", "os": "Os", "variant": "Variant", "config": "Config"} {
		if out[from] != nil {
			platform[to] = out[from]
		}
	}
	return platform, nil
}

// find returns the image with a name or an ID.
func (r *recorder) find(name string) (images.Image, error) {
	missing := fault{http.StatusNotFound, "no such image: " + name}
	named, err := reference.ParseNormalizedNamed(name)
	full := name
	if err == nil {
		full = reference.TagNameOnly(named).String()
	}
	for _, i := range r.images {
		if i.ID() == digest.Digest(name) || slices.Contains(i.Names, full) {
			return i, nil
		}
	}
	return images.Image{}, missing
}

func (r *recorder) create(q *http.Request) (any, error) {
	data, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	var body object
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, fault{http.StatusBadRequest, err.Error()}
	}
	asked, _ := body["Image"].(string)
	image, err := r.find(asked)
	if err != nil {
		return nil, err
	}
	c := docker.Container{Name: q.URL.Query().Get("name"), Image: image.ID(), Created: r.date, Request: data}
	labels, _ := body["Labels"].(object)
	c.Title = fmt.Sprintf("service %v of app %v", labels["com.docker.compose.service"], labels["com.docker.compose.project"])
	for _, other := range r.containers {
		if other.Name == c.Name {
			return nil, fault{http.StatusConflict, fmt.Sprintf("two containers have the name %s: rename one", c.Name)}
		}
	}
	r.containers[c.ID()] = &request{c, body}
	return object{"Id": c.ID(), "Warnings": []string{}}, nil
}

// created returns the requested containers, sorted by name.
func (r *recorder) created() []docker.Container {
	var out []docker.Container
	for _, c := range r.containers {
		out = append(out, c.Container)
	}
	slices.SortFunc(out, func(a, b docker.Container) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *recorder) inspect(q *http.Request) (any, error) {
	c := r.containers[q.PathValue("id")]
	if c == nil {
		return nil, fault{http.StatusNotFound, "no such container: " + q.PathValue("id")}
	}
	return c.describe(), nil
}

func (c *request) describe() object {
	network, _ := c.body["NetworkingConfig"].(object)
	return object{
		"Id": c.ID(), "Name": "/" + c.Name, "Image": c.Image, "Config": c.body, "HostConfig": c.body["HostConfig"],
		"State": object{"Status": "created"}, "NetworkSettings": object{"Networks": network["EndpointsConfig"]},
	}
}

func (r *recorder) listContainers(q *http.Request) (any, error) {
	out := []object{}
	for _, c := range r.created() {
		labels, _ := r.containers[c.ID()].body["Labels"].(object)
		if matches(q.URL.Query().Get("filters"), labels) {
			out = append(out, object{
				"Id": c.ID(), "Names": []string{"/" + c.Name}, "ImageID": c.Image, "Labels": labels, "State": "created", "Status": "Created",
			})
		}
	}
	return out, nil
}

// matches reports whether labels match a filter.
func matches(filter string, labels object) bool {
	var filters struct{ Label map[string]bool }
	if filter != "" && json.Unmarshal([]byte(filter), &filters) != nil {
		return false
	}
	for want := range filters.Label {
		key, value, exact := strings.Cut(want, "=")
		if has, ok := labels[key]; !ok || exact && has != value {
			return false
		}
	}
	return true
}
