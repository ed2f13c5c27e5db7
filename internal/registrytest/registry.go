// Package registrytest is a container registry for tests and benchmarks, without access control. It stores blobs in a directory,
// verifies their digests, and keeps manifests in memory.
//
// It implements as much of https://github.com/opencontainers/distribution-spec as Docker and skopeo use.
package registrytest

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Registry is an HTTP handler that serves a container registry for tests, with blobs from a directory.
type Registry struct {
	Dir string // of the blobs; must exist

	mu        sync.Mutex
	manifests map[string]manifest // by repository, a space, and tag or digest
	pushed    []digest.Digest
}

type manifest struct {
	mediaType string
	data      []byte
}

// Pushed returns the digests of the blobs that clients pushed, in order.
func (r *Registry) Pushed() []digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]digest.Digest(nil), r.pushed...)
}

var route = regexp.MustCompile(`^/v2/(?:(.+)/(manifests|blobs)/(.+))?$`)

// ServeHTTP answers the requests of the OCI distribution protocol that pulling and pushing need.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	parts := route.FindStringSubmatch(req.URL.Path)
	switch {
	case parts == nil:
		http.NotFound(w, req)
	case parts[2] == "manifests":
		r.manifest(w, req, parts[1], parts[3])
	case strings.HasPrefix(parts[3], "uploads/"):
		r.upload(w, req, filepath.Base(parts[3]))
	case parts[2] == "blobs":
		r.blob(w, req, parts[3])
	}
}

// Put adds a manifest to a repository, under its digest and under ref, a tag.
func (r *Registry) Put(repository, ref, mediaType string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.manifests == nil {
		r.manifests = map[string]manifest{}
	}
	m := manifest{mediaType, data}
	r.manifests[repository+" "+ref] = m
	r.manifests[repository+" "+digest.FromBytes(data).String()] = m
}

func (r *Registry) manifest(w http.ResponseWriter, req *http.Request, repository, ref string) {
	if req.Method == http.MethodPut {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Put(repository, ref, req.Header.Get("Content-Type"), data)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(data).String())
		w.WriteHeader(http.StatusCreated)
		return
	}
	r.mu.Lock()
	m, ok := r.manifests[repository+" "+ref]
	r.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(m.data).String())
	w.Header().Set("Content-Length", fmt.Sprint(len(m.data)))
	if req.Method == http.MethodGet {
		_, _ = w.Write(m.data) // the client may have closed the connection
	}
}

func (r *Registry) blob(w http.ResponseWriter, req *http.Request, name string) {
	d := digest.Digest(name)
	if d.Validate() != nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Docker-Content-Digest", name)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeFile(w, req, filepath.Join(r.Dir, d.Encoded()))
}

// upload receives a blob: a POST begins it, each PATCH appends a part, and a PUT with the digest ends it.
func (r *Registry) upload(w http.ResponseWriter, req *http.Request, id string) {
	if req.Method == http.MethodPost {
		id = "upload-" + rand.Text()
	}
	name := filepath.Join(r.Dir, filepath.Base(id))
	size, err := appendTo(name, req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	want := digest.Digest(req.URL.Query().Get("digest"))
	if req.Method == http.MethodPut {
		if err := r.finish(name, want); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Docker-Content-Digest", want.String())
		w.WriteHeader(http.StatusCreated)
		return
	}
	before, _, _ := strings.Cut(req.URL.Path, "/uploads/")
	w.Header().Set("Location", before+"/uploads/"+id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	w.WriteHeader(http.StatusAccepted)
}

func appendTo(name string, from io.Reader) (size int64, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// finish verifies a blob and gives it its name.
func (r *Registry) finish(name string, want digest.Digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := digest.FromReader(f)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("blob has the digest %s, want %s", got, want)
	}
	r.mu.Lock()
	r.pushed = append(r.pushed, want)
	r.mu.Unlock()
	return os.Rename(name, filepath.Join(r.Dir, want.Encoded()))
}
