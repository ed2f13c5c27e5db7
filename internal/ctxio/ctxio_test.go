package ctxio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStopsWithCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var out bytes.Buffer
	r, w, at := Reader(ctx, strings.NewReader("content")), Writer(ctx, &out), ReaderAt(ctx, strings.NewReader("content"))
	b := make([]byte, 3)
	for _, call := range []func() (int, error){
		func() (int, error) { return r.Read(b) },
		func() (int, error) { return at.ReadAt(b, 0) },
		func() (int, error) { return w.Write(b) },
	} {
		n, err := call()
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}
	cancel(errors.New("stopped"))
	_, err := r.Read(b)
	require.EqualError(t, err, "stopped")
	_, err = at.ReadAt(b, 0)
	require.EqualError(t, err, "stopped")
	_, err = io.WriteString(w, "more")
	require.EqualError(t, err, "stopped")
	require.Equal(t, "con", out.String())
}
