package disk

import (
	"context"
	"io"
)

// blockSize is the unit in which the disk is written and mapped.
const blockSize = 4096

// span is a range of bytes, from start up to, without, end.
type span struct{ start, end int64 }

// blocks are the whole blocks that spans in ascending order touch, those that follow each other in one.
func blocks(spans []span) []span {
	var out []span
	for _, s := range spans {
		s.start, s.end = s.start/blockSize*blockSize, roundUp(s.end, blockSize)
		if n := len(out); n > 0 && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// copyBlocks copies the blocks that spans in ascending order touch.
func copyBlocks(ctx context.Context, w io.WriterAt, r io.ReaderAt, spans []span) error {
	buffer := make([]byte, pieceSize)
	for _, s := range blocks(spans) {
		for at := s.start; at < s.end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := buffer[:min(s.end-at, pieceSize)]
			if n, err := r.ReadAt(part, at); n < len(part) {
				return err
			}
			if _, err := w.WriteAt(part, at); err != nil {
				return err
			}
			at += int64(len(part))
		}
	}
	return nil
}
