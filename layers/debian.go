package layers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Debian is a tree of Debian packages, made by mmdebstrap: the base of an image and all packages in one transaction.
// Scripts of a foreign architecture run through qemu-user and binfmt_misc.
type Debian struct {
	Architecture string    `json:"architecture"`
	Suite        string    `json:"suite"`
	Components   []string  `json:"components"`
	Mirror       string    `json:"mirror,omitempty"` // where the recipe names one
	Packages     []string  `json:"packages"`
	Date         time.Time `json:"date"`
}

// DefaultMirror is Debian's own archive, for who names no other, and for the devices.
const DefaultMirror = "http://ftp.debian.org/debian"

// keyring holds the keys that sign Debian's archive, on Debian and on Ubuntu alike.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Kind implements Layer.
func (Debian) Kind() Kind { return Kind{Name: "debian", Version: 1} }

// Make implements Layer.
func (d Debian) Make(ctx context.Context, env *Env, _ *Tree) (*Tree, error) {
	archive := filepath.Join(env.Scratch, "debian.tar")
	if err := d.bootstrap(ctx, env, archive); err != nil {
		return nil, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	t, err := ReadTar(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", archive, err), f.Close())
	}
	return t, d.clean(t)
}

func (d Debian) mirror(env *Env) string {
	if d.Mirror != "" {
		return d.Mirror
	}
	return env.Mirror
}

func (d Debian) bootstrap(ctx context.Context, env *Env, archive string) error {
	mode := "unshare"
	if os.Geteuid() == 0 {
		mode = "root"
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap",
		"--mode="+mode,
		"--variant=minbase",
		"--format=tar",
		"--architectures="+d.Architecture,
		"--components="+strings.Join(d.Components, ","),
		"--keyring="+keyring,
		"--include="+strings.Join(d.Packages, ","),
		`--aptopt=Acquire::Languages "none"`,
		// Our own initramfs starts the device: leave out the one that a kernel's installation would make.
		`--essential-hook=mkdir -p "$1/etc/initramfs-tools" && echo update_initramfs=no > "$1/etc/initramfs-tools/update-initramfs.conf"`,
		d.Suite, archive, d.mirror(env))
	cmd.Env = append(os.Environ(),
		"TMPDIR="+env.Scratch,
		"LC_ALL=C.UTF-8",
		"INITRD=No",
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(d.Date.Unix(), 10))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it unmounts and deletes what it made
	cmd.WaitDelay = 30 * time.Second
	return run(cmd, func(line string) { env.Report(d.progress(line)) })
}

// progress tells how far mmdebstrap is: two steps for each package.
func (d Debian) progress(line string) Progress {
	return Progress{Message: strings.TrimPrefix(line, "I: ")}
}

// tailLines is how much of a failed command's output its error quotes.
const tailLines = 20

// run runs a command, hands every line of its output to each, and quotes the last ones where it fails.
func run(cmd *exec.Cmd, each func(line string)) error {
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	tail := make(chan []string)
	go func() {
		var last []string
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			each(lines.Text())
			if last = append(last, lines.Text()); len(last) > tailLines {
				last = last[1:]
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line beyond all bounds must not block the command
		tail <- last
	}()
	err := cmd.Run()
	_ = w.Close()
	last := <-tail
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, strings.Join(last, "\n"))
	}
	return nil
}

// clean removes what tells of this machine, of this moment, or of a single device.
func (d Debian) clean(t *Tree) error {
	for _, name := range []string{
		"boot/initrd.img", "initrd.img", "initrd.img.old", "vmlinuz", "vmlinuz.old",
		"etc/hostname", "etc/resolv.conf", "etc/.pwd.lock",
		"etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "etc/subgid-", "etc/subuid-",
		"etc/apt/sources.list",
		"var/lib/dbus/machine-id", "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock",
		"var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old", "var/lib/dpkg/available-old",
		"var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "var/lib/systemd/catalog/database",
	} {
		t.Remove(name)
	}
	for _, dir := range []string{"var/log", "var/cache", "var/lib/apt/lists", "tmp", "run", "var/tmp"} {
		t.removeFiles(dir)
	}
	for base := range t.dir("etc/ssh").Children() {
		if strings.HasPrefix(base, "ssh_host_") {
			t.Remove(path.Join("etc/ssh", base))
		}
	}
	for base := range t.dir("boot").Children() {
		if strings.HasPrefix(base, "initrd.img") {
			t.Remove(path.Join("boot", base))
		}
	}
	mirror := d.Mirror
	if mirror == "" {
		mirror = DefaultMirror
	}
	sources := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n",
		mirror, d.Suite, strings.Join(d.Components, " "), keyring)
	return errors.Join(
		// Empty, not missing: systemd makes an ID without taking the boot for a first one with presets to apply.
		t.Put("etc/machine-id", &Node{Type: Regular, Mode: 0o444, ModTime: d.Date}),
		t.Put("etc/apt/sources.list.d/debian.sources",
			&Node{Type: Regular, Mode: 0o644, ModTime: d.Date, Content: Inline(sources)}),
	)
}

// dir is the directory at a path, or an empty one.
func (t *Tree) dir(name string) *Node {
	if n := t.Get(name); n != nil && n.Type == Directory {
		return n
	}
	return &Node{}
}

// removeFiles removes all but the directories below one.
func (t *Tree) removeFiles(dir string) {
	n := t.dir(dir)
	for base, child := range n.Children() {
		if child.Type == Directory {
			t.removeFiles(path.Join(dir, base))
			continue
		}
		delete(n.children, base)
	}
}
