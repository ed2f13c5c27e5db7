package writelog

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logOf makes a log of writes of one letter each; a letter in upper case is written with FUA, "|" is a flush, "-" a discard.
// Each writes three sectors at its number in the alphabet.
func logOf(text string) *bytes.Reader {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
		b.Write(make([]byte, (sector-b.Len()%sector)%sector))
	}
	put(uint64(magic), uint64(1), uint64(0), uint32(sector))
	for _, letter := range text {
		switch {
		case letter == '|':
			put(header{Flags: flagFlush})
		case letter == '-':
			put(header{Sectors: 3, Flags: flagNoData})
		default:
			e := header{Sector: 3 * uint64(strings.ToLower(string(letter))[0]-'a'), Sectors: 3}
			if letter < 'a' {
				e.Flags = flagFUA
			}
			put(e)
			b.Write(bytes.Repeat([]byte{byte(letter)}, 3*sector))
		}
	}
	b.Write(make([]byte, 10*sector)) // the file is sparse
	return bytes.NewReader(b.Bytes())
}

// memory is a card in memory.
type memory []byte

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// replayed returns the first bytes of the sectors after a replay; "." is one that was not written.
func replayed(t *testing.T, text string, seed uint64) (string, Stats) {
	t.Helper()
	data := make(memory, 15*sector)
	stats, err := Cut(data, logOf(text), rand.New(rand.NewPCG(seed, 1)))
	require.NoError(t, err)
	out := ""
	for i := 0; i < len(data); i += sector {
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
		require.Equal(t, 2, stats.Lost+stats.Torn+stats.Kept)
		seen[got] = true
		again, _ := replayed(t, "a|bCd", seed)
		require.Equal(t, got, again)
	}
	require.Len(t, seen, 16, "each of two writes has lost none to three of its sectors")
	require.Contains(t, seen, "aaa...CCCddd...", "a later write is kept and an earlier one lost")
}

func TestReadLogErrors(t *testing.T) {
	_, err := Read(strings.NewReader(strings.Repeat("x", sector)))
	require.ErrorContains(t, err, "read QEMU's log of writes: it has no superblock of the driver blklogwrites")
	log := logOf("a")
	entries, err := Read(io.NewSectionReader(log, 0, sector+10))
	require.NoError(t, err)
	require.Empty(t, entries, "the first entry is not complete")
}
