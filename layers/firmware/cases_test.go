package firmware

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

// differences are the cases in which the model differs from the table, with the reason.
var differences = map[string]string{
	"F037": "the log is of a board of stepping D0 whose overlays/bcm2712d0.dtbo the case leaves out: the model loads no file " +
		"that is not there",
}

// collected returns the cases of ../shared/cases/firmware.tsv, which were collected from documentation and reports and are
// no part of the repository.
func collected(t *testing.T) []map[string]string {
	data, err := os.ReadFile(needs.Shared(t, "cases/firmware.tsv"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	var out []map[string]string
	for _, line := range lines[1:] {
		row, fields := map[string]string{}, strings.Split(line, "\t")
		for i, key := range strings.Split(lines[0], "\t") {
			row[key] = fields[i]
		}
		out = append(out, row)
	}
	return out
}

func TestCollectedCases(t *testing.T) {
	for _, row := range collected(t) {
		t.Run(row["id"], func(t *testing.T) {
			want, got := row, chosen(t, row)
			same := true
			for _, key := range []string{"outcome", "kernel", "bits", "initramfs", "device_tree", "overlays", "cmdline_file", "cmdline"} {
				if want[key] != got[key] {
					same = false
				}
			}
			warned := row["warning"] == "" || got["warning"] != ""
			if why, known := differences[row["id"]]; known {
				require.False(t, same && warned, "case agrees; remove it from the differences: %s", why)
				return
			}
			require.True(t, same && warned, "%s\nwant %v\n got %v", row["name"], want, got)
		})
	}
}

// chosen returns the fields of a case as the model has them.
func chosen(t *testing.T, row map[string]string) map[string]string {
	var files map[string]string
	require.NoError(t, json.Unmarshal([]byte(row["files"]), &files))
	all := fstest.MapFS{}
	slots := false
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
		slots = slots || strings.HasPrefix(name, "p1/")
	}
	s, p := conditions(t, row["conditions"])
	partitions := []Partition{p}
	partitions[0].Files = all
	if slots {
		partitions = nil
		for n := 1; n <= 3; n++ {
			sub, err := fs.Sub(all, fmt.Sprintf("p%d", n))
			require.NoError(t, err)
			partitions = append(partitions, Partition{Number: n, Type: 0x0c, FAT: 32, Files: sub})
		}
	}
	c := ChooseFromCard(partitions, testBoard(t, row["model"]), s)
	out := map[string]string{"outcome": string(c.Outcome), "warning": strings.Join(append(c.Warnings, c.Problem), "\n")}
	if c.Problem != "" {
		return out
	}
	at := func(name string) string {
		if name == "" || !slots {
			return name
		}
		return path.Join(fmt.Sprintf("p%d", c.Partition), name)
	}
	var overlays []string
	for _, o := range c.Overlays {
		overlays = append(overlays, at(o.File))
	}
	out["kernel"], out["bits"], out["device_tree"] = at(c.Kernel), strconv.Itoa(c.Bits), at(c.DeviceTree)
	out["initramfs"], out["overlays"] = strings.Join(c.Initramfs, ","), strings.Join(overlays, ",")
	out["cmdline_file"], out["cmdline"] = at(c.CmdlineFile), c.Cmdline
	if c.CmdlineFile == "" {
		out["cmdline_file"], out["cmdline"] = "(built in)", strings.Fields(c.Cmdline)[0]
	}
	return out
}

// conditions translates the column of that name.
func conditions(t *testing.T, text string) (State, Partition) {
	s, p := State{Args: map[string]uint64{}, Pins: map[int]bool{}}, Partition{Number: 1, Type: 0x0c, FAT: 32}
	number := func(v string) uint64 {
		n, err := strconv.ParseUint(v, 0, 64)
		require.NoError(t, err)
		return n
	}
	for _, c := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(c, "=")
		switch {
		case c == "", strings.HasSuffix(key, ">"), key == "boot_partition": // the newest bootloader; the partition is the first
		case c == "tryboot":
			s.Tryboot = true
		case key == "stepping":
			s.Stepping = value
		case key == "boot_arg1":
			s.Args[key] = number(value)
		case key == "gpio4":
			s.Pins[4] = value == "1"
		case key == "fat":
			p.FAT = int(number(value))
		case key == "partition type":
			p.Type = byte(number(value))
		case key == "reboot partition":
			s.Partition = int(number(value))
		case c == "firmware<2022":
			s.StartFile = time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
		default:
			t.Fatalf("unknown condition %q", c)
		}
	}
	return s, p
}
