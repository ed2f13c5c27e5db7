package initsteps_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/PlanktoScope/pkbuild/initsteps"
	"github.com/PlanktoScope/pkbuild/overlays"
	"github.com/PlanktoScope/pkbuild/overlays/override"
)

// recorder is a System in memory. It records every call, and one chosen call fails.
type recorder struct {
	files  fstest.MapFS // by path without the leading slash
	owners map[string]initsteps.Info
	mounts []*mountinfo.Info
	card   *card // where the root file system lies
	held   bool  // a person holds the rescue pin
	calls  []string
	failed []bool // which of the calls did

	fail   func(n int, call string) bool // which call fails, counted from 1; nil for none
	panics bool                          // it panics instead
}

var errInjected = errors.New("injected")

func (r *recorder) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	r.calls = append(r.calls, call)
	fails := r.fail != nil && r.fail(len(r.calls), call)
	r.failed = append(r.failed, fails)
	if !fails {
		return nil
	}
	if r.panics {
		panic(errInjected)
	}
	return fmt.Errorf("%s: %w", call, errInjected)
}

// resolve follows bind mounts.
func (r *recorder) resolve(name string) string {
	for _, m := range slices.Backward(r.mounts) {
		if rest, ok := strings.CutPrefix(name+"/", m.Mountpoint+"/"); ok && m.FSType != "overlay" {
			return path.Join(m.Root, rest)
		}
	}
	return name
}

func (r *recorder) Stat(name string) (initsteps.Info, error) {
	if err := r.call("stat %s", name); err != nil {
		return initsteps.Info{}, err
	}
	at := r.resolve(name)
	i, err := r.files.Stat(strings.TrimPrefix(at, "/"))
	if err != nil {
		return initsteps.Info{}, err
	}
	owner := r.owners[at]
	return initsteps.Info{Mode: i.Mode(), UID: owner.UID, GID: owner.GID}, nil
}

func (r *recorder) ReadFile(name string) ([]byte, error) {
	if err := r.call("read %s", name); err != nil {
		return nil, err
	}
	return r.files.ReadFile(strings.TrimPrefix(r.resolve(name), "/"))
}

func (r *recorder) DirFS(dir string) fs.FS { return recorded{r, dir} }

// recorded is a directory of a recorder.
type recorded struct {
	r   *recorder
	dir string
}

func (d recorded) Open(name string) (fs.File, error) {
	full := path.Join(d.dir, name)
	if err := d.r.call("open %s", full); err != nil {
		return nil, err
	}
	return d.r.files.Open(strings.TrimPrefix(full, "/"))
}

func (r *recorder) MountInfo() ([]*mountinfo.Info, error) {
	return slices.Clone(r.mounts), r.call("mountinfo")
}

func (r *recorder) Mkdir(name string, as initsteps.Info) error {
	return r.call("mkdir %s %v %d:%d", name, as.Mode, as.UID, as.GID)
}

func (r *recorder) WriteFile(name string, data []byte, mode fs.FileMode) error {
	if err := r.call("write %s %v", name, mode); err != nil {
		return err
	}
	r.files[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: data, Mode: mode}
	return nil
}

func (r *recorder) RemoveAll(dir, name string) error {
	full := path.Join(dir, name)
	if err := r.call("remove %s", full); err != nil {
		return err
	}
	maps.DeleteFunc(r.files, func(p string, _ *fstest.MapFile) bool {
		return "/"+p == full || strings.HasPrefix("/"+p, full+"/")
	})
	return nil
}

func (r *recorder) Rename(from, to string) error {
	if err := r.call("rename %s %s", from, to); err != nil {
		return err
	}
	moved := false
	for name, f := range maps.Clone(r.files) {
		if rest, ok := strings.CutPrefix("/"+name+"/", from+"/"); ok {
			r.files[strings.Trim(to+"/"+rest, "/")] = f
			delete(r.files, name)
			moved = true
		}
	}
	if !moved {
		return fs.ErrNotExist
	}
	return nil
}

// ListFiles returns the content of each file as its identity.
func (r *recorder) ListFiles(dir string) (override.Files, error) {
	all := override.Files{}
	for name, f := range r.files {
		if rest, ok := strings.CutPrefix("/"+name, dir+"/"); ok {
			all[rest] = string(f.Data)
			for d := path.Dir(rest); d != "."; d = path.Dir(d) {
				all[d] = "directory"
			}
		}
	}
	return all, r.call("list %s", dir)
}

func (r *recorder) ForeignFiles(dir string) ([]string, error) { return nil, r.call("foreign %s", dir) }

func (r *recorder) MountFAT(device, target string, readOnly bool) error {
	if err := r.call("mount %s %s read-only %t", device, target, readOnly); err != nil {
		return err
	}
	r.mounts = append(r.mounts, &mountinfo.Info{Mountpoint: target, Root: target, FSType: "vfat", Source: device})
	return nil
}

func (r *recorder) SetUUID(target string, _ [16]byte) error { return r.call("uuid %s", target) }

func (r *recorder) Random(n int) ([]byte, error) {
	return bytes.Repeat([]byte{0x5a}, n), r.call("random %d", n)
}

func (r *recorder) PinHeld(pin int) (bool, error) { return r.held, r.call("pin %d", pin) }

func (r *recorder) Bind(b initsteps.Bind) error {
	options := "rw"
	if b.ReadOnly {
		options = "ro"
	}
	what := ""
	if b.IDs != nil {
		options += ",idmapped"
		what = fmt.Sprintf(" as %d:%d within %s", b.IDs.UID, b.IDs.GID, b.Within)
	}
	if err := r.call("bind %s %s %s%s", options, b.Source, b.Target, what); err != nil {
		return err
	}
	r.mounts = append(r.mounts, &mountinfo.Info{
		Mountpoint: b.Target, Root: b.Source, FSType: "ext4", Source: "/dev/root", Options: options,
	})
	return nil
}

func (r *recorder) MountOverlay(m overlays.Mount) error {
	if err := r.call("overlay %s", m.Target); err != nil {
		return err
	}
	r.mounts = append(r.mounts, &mountinfo.Info{
		Mountpoint: m.Target, Root: "/", FSType: "overlay", Source: m.Source, Options: "rw", VFSOptions: "rw," + m.Options(),
	})
	return nil
}

func (r *recorder) Unmount(target string) error {
	if err := r.call("unmount %s", target); err != nil {
		return err
	}
	for i, m := range slices.Backward(r.mounts) {
		if m.Mountpoint == target {
			r.mounts = slices.Delete(r.mounts, i, i+1)
			return nil
		}
	}
	return fmt.Errorf("unmount %s: not mounted", target)
}

func (r *recorder) Command(name string, args ...string) error {
	return r.call("run %s %s", name, strings.Join(args, " "))
}

func (r *recorder) Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func (r *recorder) SinceBoot() time.Duration { return time.Duration(len(r.calls)) * time.Millisecond }

// mounted are the targets of all mounts, in order.
func (r *recorder) mounted() []string {
	targets := []string{}
	for _, m := range r.mounts {
		targets = append(targets, m.Mountpoint)
	}
	return targets
}

// device is a recorder of a device whose stage 2 is staged but not proven, and stage 1 is.
func device(change ...map[string]string) *recorder {
	texts := map[string]string{
		"proc/cmdline": "root=PARTUUID=5d8f1a2b-02 rootfstype=ext4 rootwait\n",
		"etc/passwd":   "root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n",
		"etc/group":    "root:x:0:\npi:x:1000:\npkctl:x:990:alice,pi\n",
		"usr/lib/os":   "base",
		"var/lib/forklift/stages/forklift-stage-store.yml":   "staged: {next: 2, history: [1]}\n",
		"var/lib/forklift/stages/1/forklift-bundle.yml":      "forklift-version: v0.8.0\n",
		"var/lib/forklift/stages/2/forklift-bundle.yml":      "forklift-version: v0.8.0\n",
		"var/lib/forklift/stages/1/exports/overlays/etc/one": "",
		"var/lib/forklift/stages/2/exports/overlays/etc/two": "",
		"var/lib/forklift/stages/2/exports/overlays/usr/two": "",
		"home/pi/.profile": "",
	}
	for _, c := range change {
		maps.Copy(texts, c)
	}
	r := &recorder{files: fstest.MapFS{}, owners: map[string]initsteps.Info{"/home/pi": {UID: 1000, GID: 1000}}}
	for name, text := range texts {
		if text != absent {
			r.files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		}
	}
	return r
}

// absent is the text of a file that a device does not have.
const absent = "\x00absent"
