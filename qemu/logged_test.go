package qemu

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/qemu/scenario"
	"github.com/PlanktoScope/pkbuild/qemu/writelog"
)

// QEMU itself writes the log: two writes, a flush between them.
func TestQEMUWritesLog(t *testing.T) {
	requireQEMU(t)
	dir := t.TempDir()
	require.NoError(t, writelog.Create(filepath.Join(dir, LogFile)))
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
	log, err := os.Open(filepath.Join(dir, LogFile))
	require.NoError(t, err)
	defer log.Close()
	entries, err := writelog.Read(log)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(entries), 3)
	require.Equal(t, []bool{false, true, false}, []bool{entries[0].Flush(), entries[1].Flush(), entries[2].Flush()})
	disk := make(memory, 1<<20)
	require.NoError(t, writelog.Apply(disk, log, entries[:2]))
	require.Equal(t, append(make([]byte, 512), bytes.Repeat([]byte("a"), 1024)...), []byte(disk[:1536]))
	require.Zero(t, disk[4096])
	require.NoError(t, writelog.Apply(disk, log, entries[2:3]))
	require.Equal(t, bytes.Repeat([]byte("b"), 512), []byte(disk[4096:4608]))
}

// memory is a disk in memory.
type memory []byte

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// oneWrite is a log of one write of three sectors at sector 12, and a flush.
func oneWrite() []byte {
	le := binary.LittleEndian
	log := make([]byte, 16*512)
	le.PutUint64(log, 0x6a736677736872)
	le.PutUint32(log[24:], 512)
	le.PutUint64(log[512:], 12)
	le.PutUint64(log[512+8:], 3)
	copy(log[2*512:], bytes.Repeat([]byte("e"), 3*512))
	le.PutUint64(log[5*512+16:], 1)
	return log
}

func TestDeviceLosesWrites(t *testing.T) {
	d := fakeDevice(t, "answers")
	before, err := os.ReadFile(d.card)
	require.NoError(t, err)
	boot(t, d, scenario.Start{WriteLog: true})
	require.NotEqual(t, d.card, d.disk)
	log := filepath.Join(d.vm.cmd.Dir, LogFile)
	require.NoError(t, os.WriteFile(log, oneWrite(), 0o600))
	require.NoError(t, os.WriteFile(d.disk, []byte("all writes"), 0o600))
	require.NoError(t, d.Cut(t.Context(), true, 1))
	after, err := os.ReadFile(d.card)
	require.NoError(t, err)
	copy(before[12*512:], bytes.Repeat([]byte("e"), 3*512))
	require.Equal(t, before, after)

	boot(t, d, scenario.Start{WriteLog: true})
	require.NoError(t, os.WriteFile(d.disk, []byte("all writes"), 0o600))
	require.NoError(t, d.Cut(t.Context(), false, 0))
	after, err = os.ReadFile(d.card)
	require.NoError(t, err)
	require.Equal(t, "all writes", string(after))
}
