package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProduceOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "f")
	var calls atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			require.NoError(t, Produce(t.Context(), name, func(f *os.File) error {
				calls.Add(1)
				_, err := f.WriteString("content")
				return err
			}))
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, "content", string(got))
		})
	}
	group.Wait()
	require.EqualValues(t, 1, calls.Load())
	require.NoFileExists(t, name+".part")
}

func TestProduceContinuesPart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.EqualError(t, Produce(t.Context(), name, func(f *os.File) error {
		_, err := f.WriteString("begin")
		return errors.Join(err, errors.New("cut"))
	}), "cut")
	require.NoFileExists(t, name)
	require.NoError(t, Produce(t.Context(), name, func(f *os.File) error {
		_, err := f.Seek(0, io.SeekEnd)
		require.NoError(t, err)
		_, err = f.WriteString(" end")
		return err
	}))
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "begin end", string(got))
}
