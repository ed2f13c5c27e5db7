package create

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/images"
	"github.com/PlanktoScope/pkbuild/images/docker"
	"github.com/PlanktoScope/pkbuild/internal/dockertest"
	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers"
	"github.com/PlanktoScope/pkbuild/layers/sandbox"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

var date = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// composeFile has the settings that services on devices use.
const composeFile = `
services:
  main:
    image: example.org/main:1
    command: [/main]
    restart: unless-stopped
    stop_grace_period: 1s
    environment: {B: own, C: "$$HOME"}
    ports: ["18080:80", "127.0.0.1:19999:9999/udp"]
    volumes: ["data:/data", "./compose.yml:/compose.yml:ro", "logs:/logs", /anonymous]
    healthcheck: {test: [CMD, /main, /compose.yml], interval: 200ms, retries: 5}
    labels: {own: label}
    tmpfs: [/scratch]
    logging: {driver: json-file, options: {max-size: 1m}}
    init: true
  second:
    image: example.org/main:1
    entrypoint: [/main]
    container_name: another-name
    hostname: other
    user: "33"
    working_dir: /data
    read_only: true
    privileged: true
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    devices: ["/dev/null:/dev/nothing"]
    depends_on: {main: {condition: service_healthy}}
    networks: [default, other]
    extra_hosts: ["host.docker.internal:host-gateway"]
    cpus: 1
    volumes: [{type: bind, source: ./compose.yml, target: /there, bind: {create_host_path: false}, read_only: true}]
  alone: {image: example.org/main:1, command: [/main], network_mode: host, pid: host, volumes: ["data:/data:ro"]}
networks: {other: {}}
volumes: {data: {}, logs: {}}
`

// fixture is an app as the device finds it, and the tree of the image with it.
type fixture struct {
	env   *layers.Env
	tree  *tree.Tree
	layer Layer
	app   App
}

func newFixture(t *testing.T, text string) *fixture {
	t.Helper()
	dockertest.Need(t)
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		needs.Unavailable(t, "%s: run .ci/deps", strings.TrimSpace(string(out)))
	}
	home := t.TempDir()
	w := &fixture{env: &layers.Env{Dir: t.TempDir(), Scratch: t.TempDir(), Cache: t.TempDir(), Latest: date}, tree: hostTree(t)}
	const stage = "var/lib/forklift/stages/1"
	put(t, w.tree, stage+"/app/compose.yml", text)
	require.NoError(t, os.MkdirAll(filepath.Join(home, "current/app"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "current/app/compose.yml"), []byte(text), 0o644))
	dir := filepath.Join(home, "current/app")
	w.app = App{Name: "a", Compose: []string{ // as stages/apply has them
		"compose", "--progress", "quiet", "--project-name", "a", "--project-directory", dir, "--env-file", os.DevNull,
		"--file", filepath.Join(dir, "compose.yml"),
	}, Services: map[string]string{"main": "example.org/main:1", "second": "example.org/main:1", "alone": "example.org/main:1"}}
	w.layer = Layer{
		Platform: "linux/" + runtime.GOARCH,
		Images:   []Image{{Name: "example.org/main:1", Source: "oci:image", Digest: writeImage(t, filepath.Join(w.env.Dir, "image"))}},
		Create: &Create{
			Architecture: sandbox.Host(), Date: date, Link: Link{filepath.Join(home, "current"), "/" + stage},
			Apps: []App{w.app},
		},
		Bundle: &Bundle{Dir: "/" + stage, Images: []string{"example.org/main:1"}},
	}
	return w
}

// compose runs Compose with the app as pkctl does on the device: with the pins of the bundle.
func (w *fixture) compose(t *testing.T, d *dockertest.Daemon, args ...string) {
	t.Helper()
	w.env.Scratch = t.TempDir()
	plain := w.layer
	plain.Create = nil
	made, err := plain.Make(t.Context(), w.env, nil)
	require.NoError(t, err)
	data, err := made.ReadFile(strings.TrimPrefix(w.layer.Bundle.Dir, "/") + "/pins.json")
	require.NoError(t, err)
	pins, err := images.ParsePins(data)
	require.NoError(t, err)
	pinned, override, err := w.app.pinned(pins)
	require.NoError(t, err)
	d.Run(override, slices.Concat(w.app.Compose, pinned, args)...)
}

// make returns the store that the layer makes.
func (w *fixture) make(t *testing.T) *tree.Tree {
	t.Helper()
	w.env.Scratch = t.TempDir()
	out, err := w.layer.Make(t.Context(), w.env, w.tree)
	require.NoError(t, err)
	return out.Sub(docker.Dir)
}

func put(t *testing.T, files *tree.Tree, name, content string) {
	require.NoError(t, files.Put(name, &tree.Node{Type: tree.Regular, Mode: 0o755, ModTime: date, Content: tree.Inline(content)}))
}

// hostTree returns a small tree with this machine's programs, which need no emulation.
func hostTree(t *testing.T) *tree.Tree {
	t.Helper()
	files := tree.New()
	for _, link := range []string{"bin", "lib", "lib64", "sbin"} {
		require.NoError(t, files.Put("usr/"+link, &tree.Node{Mode: 0o755, ModTime: date}))
		require.NoError(t, files.Put(link, &tree.Node{Type: tree.Symlink, Target: "usr/" + link}))
	}
	for _, dir := range []string{"proc", "sys", "dev", "run", "root", "tmp", "etc"} {
		require.NoError(t, files.Put(dir, &tree.Node{Mode: 0o755, ModTime: date}))
	}
	seen := map[string]bool{}
	add := func(at, from string) {
		if seen[at] {
			return
		}
		seen[at] = true
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		put(t, files, at, string(data))
		out, _ := exec.Command("ldd", from).Output() // static programs need nothing
		for _, field := range strings.Fields(string(out)) {
			if strings.HasPrefix(field, "/") && !seen[field] {
				seen[field] = true
				data, err := os.ReadFile(field)
				require.NoError(t, err)
				put(t, files, field, string(data))
			}
		}
	}
	for _, program := range []string{"sh", "env", "mkdir", "ln", "docker", "dockerd"} {
		from, err := exec.LookPath(program)
		require.NoError(t, err)
		add("/usr/bin/"+program, from)
	}
	out, err := exec.Command("docker", "info", "--format", "{{range .ClientInfo.Plugins}}{{if eq .Name \"compose\"}}{{.Path}}{{end}}{{end}}").Output()
	require.NotEmpty(t, strings.TrimSpace(string(out)), "%v", err)
	add("/usr/libexec/docker/cli-plugins/docker-compose", strings.TrimSpace(string(out)))
	return files
}

// writeImage writes an OCI layout with an image of one program, dockertest.Program, and returns the digest of its manifest.
func writeImage(t *testing.T, dir string) digest.Digest {
	t.Helper()
	blob := func(data []byte) digest.Digest {
		d := digest.FromBytes(data)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "blobs/sha256", d.Encoded()), data, 0o644))
		return d
	}
	marshal := func(v any) []byte {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		return data
	}
	lower := archive(t, tar.Header{Name: "main", Mode: 0o755}, string(dockertest.Program(t)), tar.Header{Name: "data/gone"}, "gone",
		tar.Header{Name: "etc/", Mode: 0o750, Uid: 5, Typeflag: tar.TypeDir}, "", tar.Header{Name: "etc/hosts", Typeflag: tar.TypeSymlink, Linkname: "x"}, "")
	upper := archive(t, tar.Header{Name: "data/", Mode: 0o2770, Uid: 33, Gid: 34, Typeflag: tar.TypeDir}, "",
		tar.Header{Name: "data/seed", Mode: 0o600, Uid: 33}, "seed\n", tar.Header{Name: "data/.wh.gone"}, "",
		tar.Header{Name: "data/same", Typeflag: tar.TypeLink, Linkname: "data/seed"}, "")
	type part = map[string]any
	const kind = "application/vnd.oci.image."
	config := marshal(part{
		"os": "linux", "architecture": runtime.GOARCH, "rootfs": part{"type": "layers", "diff_ids": []any{blob(lower), blob(upper)}},
		"config": part{
			"Env": []string{"A=image", "B=image"}, "Volumes": part{"/vol": part{}, "/logs": part{}}, "Labels": part{"image": "label"},
			"ExposedPorts": part{"70/tcp": part{}}, "StopSignal": "SIGTERM", "WorkingDir": "/work", "Cmd": []string{"/main"},
		},
	})
	describe := func(suffix string, data []byte) part {
		return part{"mediaType": kind + suffix, "size": len(data), "digest": blob(data)}
	}
	manifest := marshal(part{
		"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": describe("config.v1+json", config),
		"layers": []part{describe("layer.v1.tar", lower), describe("layer.v1.tar", upper)},
	})
	index := marshal(part{"schemaVersion": 2, "manifests": []part{describe("manifest.v1+json", manifest)}})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
	return digest.FromBytes(manifest)
}

// archive returns a tar of alternating headers and contents.
func archive(t *testing.T, parts ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		h, content := parts[i].(tar.Header), parts[i+1].(string)
		h.Size, h.ModTime = int64(len(content)), date
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// sums returns a line for each entry of a store, with the digest of its content.
func sums(t *testing.T, files *tree.Tree) (out []string) {
	for name, n := range files.Walk() {
		h := sha256.New()
		if n.Type == tree.Regular {
			_, err := io.Copy(h, n.Content.Reader())
			require.NoError(t, err)
		}
		out = append(out, fmt.Sprintf("%s %v %o %d %d %v %q %s %x", name, n.Type, n.Mode, n.UID, n.GID, n.ModTime, n.Xattrs, n.Target, h.Sum(nil)))
	}
	return out
}

// TestRealDocker starts Docker with a store of ours: it has the created containers, and Compose starts them.
func TestRealDocker(t *testing.T) {
	w := newFixture(t, composeFile)
	store := w.make(t)
	require.Equal(t, sums(t, store), sums(t, w.make(t)))

	ours := dockertest.Start(t, dockertest.Mount(t, docker.Dir, store))
	list := func(columns string) []string {
		return strings.Split(strings.TrimSpace(ours.Run(nil, "ps", "--all", "--no-trunc", "--format", columns)), "\n")
	}
	before := list("{{.ID}} {{.Names}}")
	require.ElementsMatch(t, []string{"a-main-1 created", "another-name created", "a-alone-1 created"}, list("{{.Names}} {{.State}}"))
	requireSame(t, w, ours)

	w.compose(t, ours, "up", "--detach", "--no-build", "--pull", "never", "--remove-orphans", "--wait")
	require.Equal(t, before, list("{{.ID}} {{.Names}}"), "Compose starts the containers instead of creating others")
	require.ElementsMatch(t, []string{"a-main-1 running", "another-name running", "a-alone-1 running"}, list("{{.Names}} {{.State}}"))
	require.Equal(t, "healthy\n", ours.Run(nil, "inspect", "--format", "{{.State.Health.Status}}", "a-main-1"))
	ours.Run(nil, "exec", "a-main-1", "/main", "/data/seed")
	require.Contains(t, maskedPaths(t, ours, "a-main-1"), "/proc/kcore", "masked in a container")
	require.NotContains(t, maskedPaths(t, ours, "another-name"), "/proc/kcore", "not masked in a privileged container")

	ours.Run(nil, slices.Concat(w.app.Compose, []string{"down", "--volumes"})...)
	ours.Run(nil, "volume", "prune", "--force")
	ours.Run(nil, "system", "prune", "--all", "--force")
	for _, dir := range []string{
		"containers", "overlay2/l", "image/overlay2/layerdb/sha256", "image/overlay2/layerdb/mounts", "image/overlay2/imagedb/content/sha256",
	} {
		entries, err := os.ReadDir(filepath.Join(ours.Data, dir))
		require.NoError(t, err)
		require.Empty(t, entries, dir)
	}
	require.Empty(t, ours.Run(nil, "volume", "ls", "--quiet"))
}

// maskedPaths returns the paths that a running container cannot read.
func maskedPaths(t *testing.T, d *dockertest.Daemon, name string) []string {
	t.Helper()
	id := strings.TrimSpace(d.Run(nil, "inspect", "--format", "{{.Id}}", name))
	run := filepath.Dir(strings.TrimPrefix(d.Host, "unix://"))
	found, err := filepath.Glob(filepath.Join(run, "exec/containerd/daemon/*/moby", id, "config.json"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	data, err := os.ReadFile(found[0])
	require.NoError(t, err)
	var config struct {
		Linux struct{ MaskedPaths []string }
	}
	require.NoError(t, json.Unmarshal(data, &config))
	return config.Linux.MaskedPaths
}

// requireSame compares the created containers and volumes with those that Docker creates from the same images.
func requireSame(t *testing.T, w *fixture, ours *dockertest.Daemon) {
	t.Helper()
	plain := w.layer
	plain.Create = nil
	tree, err := plain.Make(t.Context(), w.env, nil)
	require.NoError(t, err)
	reference := dockertest.Start(t, dockertest.Mount(t, docker.Dir, tree.Sub(docker.Dir)))
	w.compose(t, reference, "create", "--no-build", "--pull", "never")
	for _, name := range []string{"a-main-1", "another-name", "a-alone-1"} {
		require.Equal(t, described(t, reference, name), described(t, ours, name), name)
	}
	require.Equal(t, volume(t, reference, "a_data"), volume(t, ours, "a_data"))
	require.Equal(t, volume(t, reference, "a_logs"), volume(t, ours, "a_logs"))
}

// described returns what docker inspect prints of a container, without what differs each time.
func described(t *testing.T, d *dockertest.Daemon, name string) string {
	t.Helper()
	text := d.Run(nil, "inspect", name)
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	c := all[0]
	id := c["Id"].(string)
	for _, key := range []string{"Created", "GraphDriver"} {
		delete(c, key)
	}
	host := c["HostConfig"].(map[string]any)
	mounts := c["Mounts"].([]any)
	sortedBy(mounts, "Destination") // Compose orders them differently each time
	if all, ok := host["Mounts"].([]any); ok {
		sortedBy(all, "Target")
	}
	variables := c["Config"].(map[string]any)["Env"].([]any)
	slices.SortFunc(variables, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	for _, one := range mounts {
		m := one.(map[string]any)
		if name, ok := m["Name"].(string); ok && len(name) == 64 {
			m["Name"] = "anonymous"
		}
		if m["Type"] == "volume" {
			delete(m, "Source") // unset before the start
		}
	}
	hostname := c["Config"].(object)["Hostname"]
	for _, one := range c["NetworkSettings"].(object)["Networks"].(object) { // Docker adds these two at the start, if not before
		if names, ok := one.(object)["Aliases"].([]any); ok {
			one.(object)["Aliases"] = slices.DeleteFunc(names, func(n any) bool { return n == id[:12] || n == hostname })
		}
	}
	if host["NetworkMode"] == "host" {
		delete(c["Config"].(object), "Hostname") // that of this machine
	}
	delete(host, "CgroupnsMode") // as the machine has it
	delete(host, "MaskedPaths")  // decided at the start
	delete(host, "ReadonlyPaths")
	for _, key := range []string{"Dns", "DnsOptions", "DnsSearch"} { // Docker writes nil as an empty list
		if host[key] == nil {
			host[key] = []any{}
		}
	}
	data, err := json.MarshalIndent(c, "", " ")
	require.NoError(t, err)
	return strings.ReplaceAll(strings.ReplaceAll(string(data), id, "ID"), id[:12], "SHORT")
}

// sortedBy sorts objects by a string.
func sortedBy(all []any, key string) {
	slices.SortFunc(all, func(a, b any) int { return strings.Compare(a.(object)[key].(string), b.(object)[key].(string)) })
}

// volume returns the files in a volume and what docker volume inspect prints of it.
func volume(t *testing.T, d *dockertest.Daemon, name string) string {
	t.Helper()
	files, err := tree.ReadDir(filepath.Join(d.Data, "volumes", name, "_data"))
	require.NoError(t, err)
	out := d.Run(nil, "volume", "inspect", "--format", "{{.Labels}} {{.Options}}", name)
	for name, n := range files.Walk() {
		if n.Type == tree.Directory {
			n.ModTime = time.Time{} // of the copying
		}
		out += fmt.Sprintln(name, n.Type, n.Mode, n.UID, n.GID, n.ModTime.UTC(), n.Content.Size, n.Xattrs)
	}
	return out
}
