package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/PlanktoScope/pkbuild/builder/bench/measure"
	"github.com/PlanktoScope/pkbuild/builder/disk"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

const bootSize = 512 << 20

// layout is the layout of each disk in the comparison.
var layout = disk.Layout{
	Signature: 1,
	Time:      time.Unix(1e9, 0),
	Partitions: []disk.Partition{
		{Mount: disk.Firmware, Format: disk.FAT32, Label: "bootfs", Size: bootSize, Serial: 1},
		{Mount: "/", Format: disk.Ext4, Label: "rootfs", UUID: uuid.NameSpaceDNS, Free: 512 << 20},
	},
}

// child is the measured process of pkbuild: "image" writes an image as `pkbuild image` does, "bare" omits the checksums and the
// block map.
func child(ctx context.Context, args []string) (err error) {
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := tree.ReadTar(f)
	if err != nil {
		return err
	}
	d, err := disk.Prepare(t, layout)
	if err != nil {
		return err
	}
	if args[0] == "image" {
		_, err = d.Create(ctx, args[2], disk.Options{})
		return err
	}
	out, err := os.Create(args[2])
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(d.Size()); err != nil {
		return err
	}
	return d.Write(ctx, out)
}

// contender is a tool in the comparison.
type contender struct {
	name string
	args []string
	out  string // what it writes
	runs []measure.Run
}

// compare runs all tools in turn on the tree in a directory.
func compare(ctx context.Context, dir string, rounds int) error {
	tar, tree := filepath.Join(dir, "tree.tar"), filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	unpack := exec.CommandContext(ctx, "tar", "--extract", "--preserve-permissions", "--same-owner", "--numeric-owner",
		"--xattrs", "--xattrs-include=*", "--file", tar, "--directory", tree)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", unpack, err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	image := filepath.Join(dir, "ours.img")
	ours := &contender{name: "pkbuild", args: []string{self, "image", tar, image}, out: image}
	if err := ours.run(ctx); err != nil { // tells the others how large the root partition is
		return err
	}
	ours.runs = nil
	bare, root := filepath.Join(dir, "bare.img"), filepath.Join(dir, "root.img")
	summed, copied := filepath.Join(dir, "summed.img"), filepath.Join(dir, "copy.img")
	format, err := mke2fs(tree, image)
	if err != nil {
		return err
	}
	all := []*contender{
		ours,
		{name: "mke2fs -d, sha256sum, bmaptool create", args: shell(format+`; sha256sum "$1"; bmaptool create "$1"`, summed), out: summed},
		{name: "pkbuild, no sums", args: []string{self, "bare", tar, bare}, out: bare},
		{name: "mke2fs -d", args: shell(format, root), out: root},
		{name: "cp --sparse=always", args: []string{"cp", "--sparse=always", image, copied}, out: copied},
	}
	for range rounds {
		for _, c := range all {
			if err := c.run(ctx); err != nil {
				return err
			}
		}
	}
	return report(all)
}

// shell returns the command that runs a script with a file as its argument.
func shell(script, out string) []string { return []string{"sh", "-ec", script, "sh", out} }

// mke2fs returns the script that makes an ext4 file system of the size of the root partition of an image.
func mke2fs(tree, image string) (string, error) {
	info, err := os.Stat(image)
	if err != nil {
		return "", err
	}
	size := (info.Size() - bootSize - 4<<20) >> 10
	return fmt.Sprintf(`mke2fs -q -F -t ext4 -b 4096 -i 4096 -L rootfs -d %q "$1" %dk`, tree, size), nil
}

// run measures one run, including the sync of the output.
func (c *contender) run(ctx context.Context) error {
	if err := os.RemoveAll(c.out); err != nil {
		return err
	}
	start := time.Now()
	r, err := measure.Command(ctx, c.args...)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.out, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	r.Wall = time.Since(start)
	c.runs = append(c.runs, r)
	return nil
}

// report prints the figures of all tools, and the ratios of pkbuild to each.
func report(all []*contender) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\twall min\tmedian\tCPU min\tmedian\tpeak memory\tpkbuild takes, wall\tCPU\tno sums, wall\tCPU\t")
	ours, bare := measure.Least(all[0].runs), measure.Least(all[2].runs)
	for _, c := range all {
		least, middle := measure.Least(c.runs), measure.Middle(c.runs)
		fmt.Fprintf(w, "%s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%d MiB\t%.2f ×\t%.2f ×\t%.2f ×\t%.2f ×\t\n", c.name,
			least.Wall.Seconds(), middle.Wall.Seconds(), least.CPU.Seconds(), middle.CPU.Seconds(), middle.Memory>>20,
			ours.Wall.Seconds()/least.Wall.Seconds(), ours.CPU.Seconds()/least.CPU.Seconds(),
			bare.Wall.Seconds()/least.Wall.Seconds(), bare.CPU.Seconds()/least.CPU.Seconds())
	}
	return w.Flush()
}
