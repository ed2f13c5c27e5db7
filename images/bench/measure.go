package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// contender is one of the ways.
type contender struct {
	name   string
	docker bool                        // it needs a Docker
	args   func(dir string) [][]string // its commands, one after another
	runs   []run
}

type run struct {
	wall, cpu time.Duration
	memory    int64 // bytes at most, of one process
}

// contenders are all, ours first.
func contenders(host string, i image, blobs string) ([]*contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	client := func(dir string, args ...string) []string {
		return append([]string{"docker", "--host", "unix://" + filepath.Join(dir, "sock")}, args...)
	}
	return []*contender{
		{name: "pkbuild", args: func(dir string) [][]string {
			return [][]string{{self, "pull", host, i.digest().String(), dir}}
		}},
		{name: "docker pull", docker: true, args: func(dir string) [][]string {
			return [][]string{client(dir, "pull", "--quiet", "--platform", "linux/arm64", host+"/bench:1")}
		}},
		{name: "skopeo copy, docker load", docker: true, args: func(dir string) [][]string {
			archive := filepath.Join(dir, "archive")
			return [][]string{
				{"skopeo", "--insecure-policy", "--override-arch", "arm64", "copy", "--quiet", "--src-tls-verify=false",
					"docker://" + host + "/bench:1", "docker-archive:" + archive + ":bench:1"},
				client(dir, "load", "--quiet", "--input", archive),
			}
		}},
		{name: "decompressing and copying alone", args: func(dir string) [][]string {
			return [][]string{{self, "unpack", blobs, dir}}
		}},
	}, nil
}

// turn measures one turn, until all that was written is on the disk.
func (c *contender) turn(ctx context.Context, dir string) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var r run
	if c.docker {
		stop, err := startDocker(ctx, dir)
		if err != nil {
			return err
		}
		defer func() { c.note(stop()) }() // what Docker itself took is known at its end
	}
	start := time.Now()
	for _, args := range c.args(dir) {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
		r = r.with(used(cmd))
	}
	if err := syncFS(dir); err != nil {
		return err
	}
	r.wall = time.Since(start)
	c.runs = append(c.runs, r)
	return nil
}

// note adds to the last turn what a process took.
func (c *contender) note(r run) {
	if last := len(c.runs) - 1; last >= 0 {
		c.runs[last] = c.runs[last].with(r)
	}
}

// with adds what another process took.
func (r run) with(other run) run {
	return run{r.wall, r.cpu + other.cpu, max(r.memory, other.memory)}
}

// used is what a process that has ended took, with those that it started.
func used(cmd *exec.Cmd) run {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return run{}
	}
	return run{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: usage.Maxrss << 10}
}

// startDocker starts a Docker with an empty store. Its end tells what it took.
func startDocker(ctx context.Context, dir string) (stop func() run, err error) {
	config, socket := filepath.Join(dir, "daemon.json"), "unix://"+filepath.Join(dir, "sock")
	if err := os.WriteFile(config, []byte("{}"), 0o644); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--config-file", config, "--host", socket, "--bridge", "none",
		"--iptables=false", "--ip6tables=false", "--storage-driver", "overlay2")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() run {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it says of its end what it wants
		_ = log.Close()
		return used(cmd)
	}
	for range 600 {
		if exec.CommandContext(ctx, "docker", "--host", socket, "version").Run() == nil {
			return stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("dockerd does not start: %s", text)
}

// syncFS waits until a file system has what was written to it.
func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// median is the run in the middle, by the wall clock.
func (c *contender) median() run {
	all := slices.SortedFunc(slices.Values(c.runs), func(a, b run) int { return cmp.Compare(a.wall, b.wall) })
	return all[len(all)/2]
}

// report prints the figures, and those of the others by ours.
func report(all []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\twall, median\tall\tCPU\tpeak memory\tby pkbuild's, wall\tCPU\t")
	ours := all[0].median()
	for _, c := range all {
		m := c.median()
		var walls []string
		for _, r := range c.runs {
			walls = append(walls, fmt.Sprintf("%.1f", r.wall.Seconds()))
		}
		fmt.Fprintf(w, "%s\t%.1f s\t%s\t%.1f s\t%d MiB\t%.2f ×\t%.2f ×\t\n",
			c.name, m.wall.Seconds(), strings.Join(walls, " "), m.cpu.Seconds(), m.memory>>20, m.wall.Seconds()/ours.wall.Seconds(), m.cpu.Seconds()/ours.cpu.Seconds())
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	alone := all[len(all)-1].median()
	fmt.Printf("pkbuild takes %.2f times as long as decompressing and copying alone (aim: 1.3), %.0f MiB (aim: below 300)\n",
		ours.wall.Seconds()/alone.wall.Seconds(), float64(ours.memory)/(1<<20))
	fmt.Printf("docker pull takes %.2f times as long as pkbuild, skopeo copy and docker load %.2f times (aim: at least 3)\n",
		all[1].median().wall.Seconds()/ours.wall.Seconds(), all[2].median().wall.Seconds()/ours.wall.Seconds())
	return nil
}
