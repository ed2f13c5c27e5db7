package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

type writerAt func([]byte, int64) (int, error)

func (f writerAt) WriteAt(b []byte, at int64) (int, error) { return f(b, at) }

func TestWriteBehind(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	require.NoError(t, err)
	defer f.Close()
	data := bytes.Repeat([]byte("a disk, "), 3*pieceSize/8)
	require.NoError(t, WriteBehind(f, func(w io.WriterAt) error {
		_, err := w.WriteAt(data, 4096)
		clear(data) // it is the writer's again
		return err
	}))
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	want := append(make([]byte, 4096), bytes.Repeat([]byte("a disk, "), 3*pieceSize/8)...)
	require.True(t, bytes.Equal(want, got))
}

func TestWriteBehindFails(t *testing.T) {
	unread := errors.New("unreadable")
	fine := writerAt(func(b []byte, _ int64) (int, error) { return len(b), nil })
	require.ErrorIs(t, writeBehind(unsized{fine}, func(io.WriterAt) error { return unread }), unread)
	full := writerAt(func([]byte, int64) (int, error) { return 0, unix.ENOSPC })
	require.ErrorIs(t, writeBehind(unsized{full}, func(w io.WriterAt) error {
		_, err := w.WriteAt(make([]byte, 3*pieces*pieceSize), 0) // more than is on its way
		return err
	}), unix.ENOSPC)
}
