package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/PlanktoScope/pkbuild/builder/bench/measure"
)

// contender is one way to get the image.
type contender struct {
	name   string
	docker bool                        // needs a running Docker
	args   func(dir string) [][]string // commands, in order
	runs   []measure.Run
}

// contenders returns all contenders, pkbuild first.
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

// turn measures one turn, including a sync of the file system.
func (c *contender) turn(ctx context.Context, dir string) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var r measure.Run
	if c.docker {
		stop, err := startDocker(ctx, dir)
		if err != nil {
			return err
		}
		defer func() { c.addUsage(stop()) }() // of the daemon, known at its end
	}
	start := time.Now()
	for _, args := range c.args(dir) {
		used, err := measure.Command(ctx, args...)
		if err != nil {
			return err
		}
		r = r.With(used)
	}
	if err := measure.SyncFS(dir); err != nil {
		return err
	}
	r.Wall = time.Since(start)
	c.runs = append(c.runs, r)
	return nil
}

// addUsage adds the resource usage of a process to the last turn.
func (c *contender) addUsage(r measure.Run) {
	if last := len(c.runs) - 1; last >= 0 {
		c.runs[last] = c.runs[last].With(r)
	}
}

// startDocker starts a daemon with an empty store. stop returns its resource usage.
func startDocker(ctx context.Context, dir string) (stop func() measure.Run, err error) {
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
	stop = func() measure.Run {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // errors are in the log
		_ = log.Close()
		return measure.Used(cmd)
	}
	for range 600 {
		if exec.CommandContext(ctx, "docker", "--host", socket, "version").Run() == nil {
			return stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("start dockerd: not ready after a minute: %s", text)
}

// report prints the figures, and the ratios to those of pkbuild.
func report(all []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\twall min\tmedian\tall\tCPU min\tmedian\tpeak memory\tby pkbuild's, wall\tCPU\t")
	ours := measure.Least(all[0].runs)
	for _, c := range all {
		least, middle := measure.Least(c.runs), measure.Middle(c.runs)
		var walls []string
		for _, r := range c.runs {
			walls = append(walls, fmt.Sprintf("%.1f", r.Wall.Seconds()))
		}
		fmt.Fprintf(w, "%s\t%.1f s\t%.1f s\t%s\t%.1f s\t%.1f s\t%d MiB\t%.2f ×\t%.2f ×\t\n", c.name,
			least.Wall.Seconds(), middle.Wall.Seconds(), strings.Join(walls, " "), least.CPU.Seconds(), middle.CPU.Seconds(),
			middle.Memory>>20, by(least.Wall, ours.Wall), by(least.CPU, ours.CPU))
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	alone := measure.Least(all[len(all)-1].runs)
	fmt.Printf("by the least of each: pkbuild takes %.2f times as long as decompressing and copying alone (aim: 1.3), %d MiB (aim: below 300)\n",
		by(ours.Wall, alone.Wall), measure.Middle(all[0].runs).Memory>>20)
	for _, c := range all[1 : len(all)-1] {
		fmt.Printf("%s takes %.2f times as long as pkbuild (aim: at least 3)\n", c.name, by(measure.Least(c.runs).Wall, ours.Wall))
	}
	return nil
}

// by returns a ratio.
func by(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
