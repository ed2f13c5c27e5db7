package soak

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
	"github.com/PlanktoScope/pkbuild/qemu"
	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

const (
	sector   = 512
	rootPart = 35 << 20 // offset of the second partition
)

// smallCard makes a card with a FAT32 and an ext4, and a stage store in which stage 1 is next.
func smallCard(t *testing.T, file string) {
	t.Helper()
	for _, program := range []string{"sfdisk", "mke2fs", "debugfs", "mkfs.vfat"} {
		needs.Program(t, program)
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
	out, err := exec.Command("sh", "-ec", `PATH=$PATH:/usr/sbin:/sbin
truncate -s 64M "$1"
printf '1M,34M,c\n35M,,83\n' | sfdisk -q "$1"
truncate -s 34M "$1.fat"
mkfs.vfat -F 32 "$1.fat" >/dev/null
dd if="$1.fat" of="$1" bs=1M seek=1 conv=notrunc status=none
rm "$1.fat"
mkdir -p "$1.tree/var/lib/forklift/stages/1/exports/overlays" "$1.tree/var/lib/forklift/stages/2"
cd "$1.tree/var/lib/forklift/stages"
printf 'forklift-version: v0.8.0\npallet: {path: example.org/a, version: v1.0.0, clean: true}\n' >1/forklift-bundle.yml
printf 'forklift-version: v0.7.0\nstaged: {next: 1, history: [1]}\n' >forklift-stage-store.yml
mke2fs -q -F -t ext4 -d "$1.tree" -E offset=36700160 "$1" 28M
rm -r "$1.tree"`, "sh", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// write is an entry of a log: data at an offset of the disk, or a flush.
type write struct {
	offset int64
	data   []byte
}

// writeLog writes a log of blklogwrites.
func writeLog(t *testing.T, file string, writes []write) {
	t.Helper()
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			require.NoError(t, binary.Write(&b, binary.LittleEndian, v))
		}
		b.Write(make([]byte, (sector-b.Len()%sector)%sector))
	}
	put(uint64(0x6a736677736872), uint64(1), uint64(0), uint32(sector))
	for _, w := range writes {
		if w.data == nil {
			put([4]uint64{2: 1})
			continue
		}
		put([4]uint64{uint64(w.offset / sector), uint64(len(w.data) / sector)})
		b.Write(w.data)
	}
	b.Write(make([]byte, sector))
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o666))
}

// recording makes a recording of one boot with these writes.
func recording(t *testing.T, writes []write) *Recording {
	t.Helper()
	r := &Recording{Dir: t.TempDir(), Scenario: "s", Phases: []Phase{{Step: "1 boot", Boot: 0}, {Step: "2 run", Boot: 1, First: 2}}}
	smallCard(t, r.boot(1, qemu.BeforeFile))
	require.NoError(t, qemu.CopyDisk(r.boot(1, qemu.BeforeFile), filepath.Join(r.Dir, deviceDir, qemu.CardFile)))
	writeLog(t, r.boot(1, qemu.LogFile), writes)
	require.NoError(t, r.finish())
	return r
}

// fill returns blocks of one letter beyond the file system, where no check looks.
func fill(offset int64, letter byte) write {
	return write{rootPart + 28<<20 + offset, bytes.Repeat([]byte{letter}, 4*sector)}
}

func TestRecording(t *testing.T) {
	r := recording(t, []write{fill(0, 'a'), {}, fill(4096, 'b'), fill(8192, 'c')})
	want := []Phase{{Step: "1 boot", Boot: 1, First: 0, End: 2}, {Step: "2 run", Boot: 1, First: 2, End: 4}}
	require.Equal(t, want, r.Phases)
	again, err := Open(r.Dir)
	require.NoError(t, err)
	require.Equal(t, r, again)
	_, err = Open(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPoints(t *testing.T) {
	r := &Recording{Phases: []Phase{{Step: "a", Boot: 1, End: 1000}, {Step: "b", Boot: 2, First: 5, End: 7}}}
	points := r.Points(7, 1000)
	require.Equal(t, points, r.Points(7, 1000))
	require.NotEqual(t, points, r.Points(8, 1000))
	steps, numbers := map[string]int{}, map[int]bool{}
	last := Cut{}
	for _, p := range points {
		steps[p.Step]++
		numbers[p.Number] = true
		require.True(t, last.Boot < p.Boot || last.Entries <= p.Entries, "the log is read once")
		last = p
		if p.Step == "b" {
			require.Contains(t, []int{6, 7}, p.Entries)
		}
	}
	require.Len(t, numbers, 1000)
	require.InDelta(t, 500, steps["b"], 60, "a short phase is cut as often as a long one")
}

// Each card is what one replay of the log up to the cut leaves.
func TestCards(t *testing.T) {
	var writes []write
	for i := range 40 {
		writes = append(writes, fill(int64(i%7)*4096, byte('a'+i)))
		if i%9 == 5 {
			writes = append(writes, write{})
		}
	}
	r := recording(t, writes)
	log, err := os.ReadFile(r.boot(1, qemu.LogFile))
	require.NoError(t, err)
	entries, _, err := r.log(1)
	require.NoError(t, err)
	o := Options{Seed: 3, Cuts: 25, Dir: t.TempDir()}
	jobs := make(chan Outcome, o.Cuts)
	require.NoError(t, r.cards(t.Context(), o, jobs))
	close(jobs)
	for c := range jobs {
		want, err := os.ReadFile(r.boot(1, qemu.BeforeFile))
		require.NoError(t, err)
		disk := memory(want)
		synced := writelog.Synced(entries[:c.Entries])
		require.NoError(t, writelog.Apply(disk, bytes.NewReader(log), entries[:synced]))
		stats, err := writelog.ApplySome(disk, bytes.NewReader(log), entries[synced:c.Entries], rand.New(rand.NewPCG(3, uint64(c.Number))))
		require.NoError(t, err)
		require.Equal(t, stats, c.Writes)
		got, err := os.ReadFile(c.card())
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "cut %d", c.Number)
	}
}

type memory []byte

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// Harmless writes leave no finding, whatever is lost of them, and no file.
func TestRun(t *testing.T) {
	r := recording(t, []write{fill(0, 'a'), {}, fill(4096, 'b'), fill(8192, 'c')})
	dir := t.TempDir()
	booted := 0
	boot := func(context.Context, string, string) error { booted++; return nil }
	outcomes, err := r.Run(t.Context(), Options{Seed: 1, Cuts: 12, Jobs: 2, Dir: dir, Sample: 5, Boot: boot})
	require.NoError(t, err)
	require.Len(t, outcomes, 12)
	for i, o := range outcomes {
		require.Equal(t, i+1, o.Number)
		require.Empty(t, o.Findings)
		require.Equal(t, 1, o.Stage)
	}
	require.Equal(t, 2, booted)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	var text bytes.Buffer
	require.NoError(t, Summarize(1, outcomes, time.Second).Write(&text))
	require.Contains(t, text.String(), "12 power cuts with seed 1 in 1 s, 2 of them also booted: 0 with findings\n")
	require.Regexp(t, `\| 2 run +\| \d+ +\| \d+ +\| stage 1: \d+ +\| 0 +\|`, text.String())
}

// A write that damages the file system, one that loses the store, and a card that does not boot are found.
func TestRunFindings(t *testing.T) {
	superblock := write{rootPart + 1024, make([]byte, 2*sector)}
	for want, tt := range map[string]struct {
		writes []write
		boot   error
	}{
		"file systems: ":    {writes: []write{superblock, {}}},
		"boot: stays black": {writes: []write{fill(0, 'a'), {}}, boot: errors.New("stays black")},
	} {
		r := recording(t, append([]write{fill(0, 'a'), {}}, tt.writes...))
		dir := t.TempDir()
		o := Options{Seed: 4, Cuts: 8, Dir: dir, Sample: 1, Boot: func(context.Context, string, string) error { return tt.boot }}
		outcomes, err := r.Run(t.Context(), o)
		require.NoError(t, err)
		var found *Outcome
		for i := range outcomes {
			if outcomes[i].Entries == 4 {
				found = &outcomes[i]
			}
		}
		require.NotNil(t, found, "%v %v", r.Phases, outcomes)
		require.NotEmpty(t, found.Findings)
		require.Contains(t, found.Findings[0], want)
		require.FileExists(t, found.card(), "the card stays")
		o.Only, o.Dir = found.Number, t.TempDir()
		again, err := r.Run(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, again, 1)
		require.Equal(t, found.Findings[0][:8], again[0].Findings[0][:8], "a cut is made again by its number")
	}
}

// Only a stage that was selected before or after the recorded boots may be selected after a cut.
func TestOtherStage(t *testing.T) {
	card := filepath.Join(t.TempDir(), "card.img")
	smallCard(t, card)
	c := Outcome{Cut: Cut{Number: 1}, Dir: filepath.Dir(card)}
	require.NoError(t, c.check(t.Context(), Options{}, []int{2, 3}))
	require.Equal(t, []string{"stage 1 is selected, want one of [2 3]"}, c.Findings)
	require.NoError(t, qemu.OpenCard(card).Delete("/var/lib/forklift/stages/forklift-stage-store.yml"))
	c.Findings = nil
	require.NoError(t, c.check(t.Context(), Options{}, []int{1}))
	require.Contains(t, c.Findings[0], "stage store: ")
}
