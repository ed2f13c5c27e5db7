package qemu

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
)

// logOf makes a log of writes of one letter each; a letter in upper case is written with FUA, "|" is a flush, "-" a discard.
// Each writes three sectors at its number in the alphabet.
func logOf(text string) *bytes.Reader {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
		b.Write(make([]byte, (logSector-b.Len()%logSector)%logSector))
	}
	put(uint64(logMagic), uint64(1), uint64(0), uint32(logSector))
	for _, letter := range text {
		switch {
		case letter == '|':
			put(logEntry{Flags: flagFlush})
		case letter == '-':
			put(logEntry{Sectors: 3, Flags: flagNoData})
		default:
			e := logEntry{Sector: 3 * uint64(strings.ToLower(string(letter))[0]-'a'), Sectors: 3}
			if letter < 'a' {
				e.Flags = flagFUA
			}
			put(e)
			b.Write(bytes.Repeat([]byte{byte(letter)}, 3*logSector))
		}
	}
	b.Write(make([]byte, 10*logSector)) // the file is sparse
	return bytes.NewReader(b.Bytes())
}

// memory is a card in memory.
type memory []byte

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// replayed returns the first bytes of the sectors after a replay; "." is one that was not written.
func replayed(t *testing.T, text string, seed uint64) (string, lostWrites) {
	t.Helper()
	data := make(memory, 15*logSector)
	stats, err := replay(data, logOf(text), rand.New(rand.NewPCG(seed, 1)))
	require.NoError(t, err)
	out := ""
	for i := 0; i < len(data); i += logSector {
		out += string(max(data[i], '.'))
	}
	return out, stats
}

func TestReplay(t *testing.T) {
	got, stats := replayed(t, "ab-c|", 1)
	require.Equal(t, "aaabbbccc......", got)
	require.Zero(t, stats)

	seen := map[string]bool{}
	for seed := range uint64(1000) {
		got, stats := replayed(t, "a|bCd", seed)
		require.Equal(t, "aaa", got[:3], "before the flush")
		require.Equal(t, "CCC", got[6:9], "with FUA")
		require.Equal(t, 2, stats.lost+stats.torn+stats.kept)
		seen[got] = true
		again, _ := replayed(t, "a|bCd", seed)
		require.Equal(t, got, again)
	}
	require.Len(t, seen, 16, "each of two writes has lost none to three of its sectors")
	require.Contains(t, seen, "aaa...CCCddd...", "a later write is kept and an earlier one lost")
}

func TestReadLogErrors(t *testing.T) {
	_, err := readLog(strings.NewReader(strings.Repeat("x", logSector)))
	require.ErrorContains(t, err, "write log: no superblock of blklogwrites")
	log := logOf("a")
	entries, err := readLog(io.NewSectionReader(log, 0, logSector+10))
	require.NoError(t, err)
	require.Empty(t, entries, "the first entry is not complete")
}

// QEMU itself writes the log: two writes, a flush between them.
func TestQEMUWritesLog(t *testing.T) {
	requireQEMU(t)
	dir := t.TempDir()
	require.NoError(t, newLog(filepath.Join(dir, logFile)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "disk.img"), make([]byte, 1<<20), 0o600))
	m := Machines()[0]
	v := testInvocation()
	v.disk, v.log, v.initramfs = filepath.Join(dir, "disk.img"), true, false
	args := m.command(v)
	require.NoError(t, os.WriteFile(filepath.Join(dir, kernelFile), make([]byte, 1<<16), 0o600)) // runs into nothing
	vm, err := run(t.Context(), m, args, dir, Options{Timeout: forever}.withDefaults())
	require.NoError(t, err)
	require.NoError(t, vm.connect())
	for _, command := range []string{"write -P 97 512 1024", "flush", "write -P 98 4096 512"} {
		err := vm.qmp.execute(t.Context(), "human-monitor-command", map[string]any{"command-line": `qemu-io disk "` + command + `"`})
		require.NoError(t, err)
	}
	require.NoError(t, vm.stop(true))
	require.NoError(t, vm.wait(nil))
	log, err := os.Open(filepath.Join(dir, logFile))
	require.NoError(t, err)
	defer log.Close()
	entries, err := readLog(log)
	require.NoError(t, err)
	var writes []logEntry
	for _, e := range entries {
		e.Length = 0
		writes = append(writes, e.logEntry)
	}
	require.Equal(t, []logEntry{{Sector: 1, Sectors: 2}, {Flags: flagFlush}, {Sector: 8, Sectors: 1}}, writes[:3])
	data := make([]byte, 1)
	_, err = log.ReadAt(data, entries[2].offset)
	require.NoError(t, err)
	require.Equal(t, "b", string(data))
}

func TestDeviceLosesWrites(t *testing.T) {
	d := fakeDevice(t, "answers")
	before, err := os.ReadFile(d.card)
	require.NoError(t, err)
	boot(t, d, scenario.Start{WriteLog: true})
	require.NotEqual(t, d.card, d.disk)
	log := filepath.Join(d.vm.cmd.Dir, logFile)
	data, err := io.ReadAll(logOf("e|"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(log, data, 0o600))
	require.NoError(t, os.WriteFile(d.disk, []byte("all writes"), 0o600))
	require.NoError(t, d.Cut(t.Context(), true, 1))
	after, err := os.ReadFile(d.card)
	require.NoError(t, err)
	copy(before[12*logSector:], bytes.Repeat([]byte("e"), 3*logSector))
	require.Equal(t, before, after)

	boot(t, d, scenario.Start{WriteLog: true})
	require.NoError(t, os.WriteFile(d.disk, []byte("all writes"), 0o600))
	require.NoError(t, d.Cut(t.Context(), false, 0))
	after, err = os.ReadFile(d.card)
	require.NoError(t, err)
	require.Equal(t, "all writes", string(after))
}
