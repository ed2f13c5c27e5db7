package ext4

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// debugfs reads an image with the program of that name. File names may not contain newlines.
type debugfs struct {
	t     *testing.T
	image string
	dir   string // for dumped files
}

var prompt = regexp.MustCompile(`(?m)^debugfs: .*\n`)

func (d *debugfs) command(args ...string) *exec.Cmd {
	cmd := exec.Command(needs.Program(d.t, "debugfs"), append(args, d.image)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "DEBUGFS_PAGER=cat")
	return cmd
}

// run runs commands and returns the output of each.
func (d *debugfs) run(commands []string) []string {
	d.t.Helper()
	cmd := d.command("-f", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.Output()
	require.NoError(d.t, err)
	outputs := prompt.Split(string(out), -1)[1:]
	require.Len(d.t, outputs, len(commands))
	return outputs
}

// runEach runs a command for each of many inodes.
func (d *debugfs) runEach(format string, inodes []uint32) []string {
	commands := make([]string, len(inodes))
	for i, number := range inodes {
		commands[i] = fmt.Sprintf(format, number)
	}
	return d.run(commands)
}

// names returns the inodes of all names below some directories. The root is "".
func (d *debugfs) names(dirs map[string]uint32) map[string]uint32 {
	all, below := map[string]uint32{}, map[string]uint32{}
	var paths []string
	var inodes []uint32
	for name, number := range dirs {
		paths, inodes = append(paths, name), append(inodes, number)
	}
	for i, output := range d.runEach("ls -p <%d>", inodes) {
		all[paths[i]] = inodes[i]
		for line := range strings.SplitSeq(strings.TrimSpace(output), "\n") {
			f := strings.Split(line, "/")
			number, err := strconv.ParseUint(f[1], 10, 32)
			require.NoError(d.t, err)
			if number == 0 || f[5] == "." || f[5] == ".." {
				continue
			}
			name := strings.TrimPrefix(paths[i]+"/"+f[5], "/")
			all[name] = uint32(number)
			if strings.HasPrefix(f[2], "04") {
				below[name] = uint32(number)
			}
		}
	}
	if len(below) > 0 {
		for name, number := range d.names(below) {
			all[name] = number
		}
	}
	return all
}

// describe returns the listing of the whole image.
func (d *debugfs) describe() listing {
	d.t.Helper()
	names := d.names(map[string]uint32{"": rootInode})
	first := map[uint32]string{}
	for name, number := range names {
		old, seen := first[number]
		if !seen || walkOrder(name) < walkOrder(old) {
			first[number] = name
		}
	}
	var inodes []uint32
	for number := range first {
		inodes = append(inodes, number)
	}
	entries := map[uint32]described{}
	for i, output := range d.runEach("stat <%d>", inodes) {
		e := d.parseStat(output)
		e.FirstName = first[inodes[i]]
		entries[inodes[i]] = e
	}
	d.readXattrs(entries, inodes)
	d.readContents(entries)
	list := listing{}
	for name, number := range names {
		list[name] = entries[number]
	}
	return list
}

// walkOrder returns a key that sorts names as Walk does, entries right behind their directory.
func walkOrder(name string) string { return strings.ReplaceAll(name, "/", "\x00") }

var statFields = regexp.MustCompile(`(?s)Type: (.*?)    Mode:  (\d+)   Flags: 0x([0-9a-f]+).*?User: +(-?\d+)   Group: +(-?\d+) ` +
	`.*?Size: (\d+)\n.*?Links: (\d+) .*? mtime: 0x([0-9a-f]{8}):([0-9a-f]{8})`)

var deviceField = regexp.MustCompile(`Device major/minor number: 0?(\d+):0?(\d+)`)
var linkField = regexp.MustCompile(`(?s)Fast link dest: "(.*)"\n`)

// debugfsTypes are the types for which debugfs has other names.
var debugfsTypes = map[string]tree.Type{
	"regular": tree.Regular, "character special": tree.Char, "block special": tree.Block, "FIFO": tree.Fifo,
}

func (d *debugfs) parseStat(output string) described {
	d.t.Helper()
	f := statFields.FindStringSubmatch(output)
	require.NotNil(d.t, f, output)
	number := func(i, base int) uint64 {
		n, err := strconv.ParseUint(f[i], base, 64)
		require.NoError(d.t, err)
		return n
	}
	id := func(s string) uint32 { // which debugfs prints as a signed number
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(d.t, err)
		return uint32(n)
	}
	e := described{
		Type: f[1], Mode: uint32(number(2, 8)), UID: id(f[4]), GID: id(f[5]),
		Size: int64(number(6, 10)), Links: uint32(number(7, 10)),
	}
	e.Flags = describeFlags(number(3, 16)&0x10 != 0, number(3, 16)&0x20 != 0)
	if kind, found := debugfsTypes[e.Type]; found {
		e.Type = kind.String()
	}
	extra := number(9, 16)
	seconds := int64(int32(number(8, 16))) + int64(extra&3)<<32
	e.ModTime = time.Unix(seconds, int64(extra>>2)).UTC()
	if m := deviceField.FindStringSubmatch(output); m != nil {
		major, _ := strconv.Atoi(m[1])
		minor, _ := strconv.Atoi(m[2])
		e.Major, e.Minor = uint32(major), uint32(minor)
	}
	if m := linkField.FindStringSubmatch(output); m != nil {
		e.Target = m[1]
	}
	return e
}

var xattrLine = regexp.MustCompile(`(?m)^  (\S+) \(\d+\)`)

func (d *debugfs) readXattrs(entries map[uint32]described, inodes []uint32) {
	var commands []string
	for i, output := range d.runEach("ea_list <%d>", inodes) {
		e := entries[inodes[i]]
		e.Xattrs = map[string]string{}
		for _, m := range xattrLine.FindAllStringSubmatch(output, -1) {
			file := filepath.Join(d.dir, fmt.Sprintf("%d-%d", inodes[i], len(e.Xattrs)))
			commands = append(commands, fmt.Sprintf("ea_get -f %s <%d> %s", file, inodes[i], m[1]))
			e.Xattrs[m[1]] = file
		}
		entries[inodes[i]] = e
	}
	if len(commands) == 0 {
		return
	}
	d.run(commands)
	for _, e := range entries {
		for name, file := range e.Xattrs {
			value, err := os.ReadFile(file)
			require.NoError(d.t, err)
			e.Xattrs[name] = describeXattr(name, string(value))
		}
	}
}

// maxDump is the size from which on a file is read through a pipe instead of dumped.
const maxDump = 64 << 20

// readContents reads regular files and the symlinks that have a block.
func (d *debugfs) readContents(entries map[uint32]described) {
	var commands []string
	for number, e := range entries {
		if e.Size < maxDump && (e.Type == tree.Regular.String() || e.Type == tree.Symlink.String()) {
			commands = append(commands, fmt.Sprintf("dump <%d> %s/%d", number, d.dir, number))
		}
	}
	if len(commands) > 0 {
		d.run(commands)
	}
	for number, e := range entries {
		file := filepath.Join(d.dir, fmt.Sprint(number))
		switch {
		case e.Type == tree.Regular.String() && e.Size < maxDump:
			f, err := os.Open(file)
			require.NoError(d.t, err)
			e.Digest = digest(d.t, f)
			require.NoError(d.t, f.Close())
		case e.Type == tree.Regular.String():
			e.Digest = d.digest(number)
		case e.Type == tree.Symlink.String() && e.Target == "":
			target, err := os.ReadFile(file)
			require.NoError(d.t, err)
			e.Target, e.Size = string(target), 0
		default:
			e.Size = 0
		}
		entries[number] = e
	}
}

func (d *debugfs) digest(number uint32) string {
	d.t.Helper()
	cmd := d.command("-R", fmt.Sprintf("cat <%d>", number))
	out, err := cmd.StdoutPipe()
	require.NoError(d.t, err)
	require.NoError(d.t, cmd.Start())
	sum := digest(d.t, out)
	require.NoError(d.t, cmd.Wait())
	return sum
}

// requireDebugfsSees compares an image with a listing.
func requireDebugfsSees(t *testing.T, image string, want listing) {
	t.Helper()
	d := debugfs{t: t, image: image, dir: t.TempDir()}
	got := d.describe()
	if _, own := want[lostFound]; !own {
		delete(got, lostFound)
	}
	requireSame(t, want, got)
}
