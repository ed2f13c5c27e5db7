package scenario

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/PlanktoScope/pkbuild/internal/shell"
)

// write writes a file in the running system, or on the card of a machine that is off.
func write(ctx context.Context, m Device, w *Write) error {
	mode := uint64(0o644)
	if w.Mode != "" {
		mode, _ = strconv.ParseUint(w.Mode, 8, 32) // the pattern admits octal digits only
	}
	if m.Elapsed() == 0 {
		return m.Card().Write(w.Path, []byte(w.Content), uint32(mode))
	}
	return succeed(ctx, m, writeScript(w.Path, w.Content, mode), commandLimit)
}

// writeScript writes a file durably.
func writeScript(name, content string, mode uint64) string {
	return fmt.Sprintf("echo %s | base64 -d >%s && chmod %o %[2]s && sync -f %[2]s", base64.StdEncoding.EncodeToString([]byte(content)),
		shell.Quote(name), mode)
}

func remove(ctx context.Context, m Device, name string) error {
	if m.Elapsed() == 0 {
		return m.Card().Delete(name)
	}
	return succeed(ctx, m, "rm -r -- "+shell.Quote(name)+" && sync -f "+shell.Quote(path.Dir(name)), commandLimit)
}

// storeDir is the stage store on the device.
const storeDir = "/var/lib/forklift/stages"

// script writes the bundle, forklift-bundle.yml last, as Forklift does.
func (s *Stage) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, `set -eu
cd %s
n=1
while [ -e $n ]; do n=$((n + 1)); done
mkdir -p $n/exports/overlays $n/packages
cd $n
`, storeDir)
	put := func(name, content string) {
		fmt.Fprintf(&b, "mkdir -p %s\n%s || exit\n", shell.Quote(path.Dir(name)), writeScript(name, content, 0o644)) // set -e ignores all but the last of a list
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		put(path.Join("exports/overlays", name), s.Files[name])
	}
	deployments := []string{}
	for _, name := range slices.Sorted(maps.Keys(s.Apps)) {
		put(path.Join("packages", name, "forklift-package.yml"),
			"package: {description: app of a scenario}\ndeployment: {compose-files: [compose.yml]}\n")
		put(path.Join("packages", name, "compose.yml"), s.Apps[name])
		deployments = append(deployments, fmt.Sprintf("%s: {package: /%[1]s}", name))
	}
	put("forklift-bundle.yml", fmt.Sprintf("forklift-version: v0.8.0-alpha.6\npallet: {path: example.org/scenario, version: v1.0.0, clean: true}\n"+
		"deploys: {%s}\n", strings.Join(deployments, ", ")))
	if s.Next {
		b.WriteString("pkctl stage set-next $n\n")
	}
	b.WriteString("sync\n")
	return b.String()
}

// script fills a file system and removes as much again as shall stay free.
func (f *Fill) script() string {
	file := shell.Quote(path.Join(f.Path, ".scenario-fill"))
	script := fmt.Sprintf(`free=$(df --block-size=1 --output=avail %s | tail -n 1) || exit
fallocate -l "$free" %[2]s 2>/dev/null
cat /dev/zero >>%[2]s 2>/dev/null
`, shell.Quote(f.Path), file)
	if f.Leave > 0 {
		script += fmt.Sprintf("truncate --size -%d %s\n", f.Leave, file)
	}
	return script + "sync -f " + file + "\n"
}

const blockSize = 4096

// do damages a partition.
func (d *Damage) do(card Card) error {
	switch {
	case d.Debugfs != nil:
		return card.Debugfs(d.Debugfs)
	case d.Superblock:
		return card.Overwrite(d.Partition, 0, make([]byte, blockSize))
	}
	size, err := card.Size(d.Partition)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(uint64(d.Seed), 0))
	for range d.Blocks {
		block := make([]byte, blockSize)
		for i := range block {
			block[i] = byte(random.Uint32())
		}
		if err := card.Overwrite(d.Partition, random.Int64N(size/blockSize)*blockSize, block); err != nil {
			return err
		}
	}
	return nil
}
