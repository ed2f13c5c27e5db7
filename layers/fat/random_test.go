package fat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/tree"
)

// treeMaker makes trees that are random, and the same for the same seed.
type treeMaker struct {
	*rand.Rand
	t    *testing.T
	tree *tree.Tree
	dirs []string
	used map[string]bool // paths in folded case
}

func randomTree(t *testing.T, seed uint64) *tree.Tree {
	m := &treeMaker{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, tree: tree.New(), dirs: []string{""}, used: map[string]bool{}}
	entries := 1 + m.IntN(80)
	if m.IntN(8) == 0 {
		entries = 1000 + m.IntN(2000)
	}
	for range entries {
		m.entry()
	}
	return m.tree
}

func (m *treeMaker) entry() {
	path := strings.TrimPrefix(m.dirs[m.IntN(len(m.dirs))]+"/"+m.name(), "/")
	key := foldCase(shownByMtools(path))
	if m.used[key] || len(path) > 1000 { // mcopy knows no longer ones
		return
	}
	m.used[key] = true
	n := &tree.Node{Mode: readMode, ModTime: time.Unix(minTime.Unix()+m.Int64N(maxTime.Unix()-minTime.Unix()), 0)}
	if m.IntN(5) > 0 || len(m.dirs) > 200 {
		n.Type, n.Content = tree.Regular, m.content()
	} else {
		m.dirs = append(m.dirs, path)
	}
	put(m.t, m.tree, path, n)
}

// name is sometimes of the kind that many short names are equal for.
func (m *treeMaker) name() string {
	n := 1 + m.IntN(13)
	letters := []rune("aAbB0~_.")
	switch m.IntN(6) {
	case 0:
		return fmt.Sprintf("picture %d.jpeg", m.IntN(2000))
	case 1:
		n = 1 + m.IntN(240)
		fallthrough
	case 2, 3:
		letters = []rune("abcXYZ019-_.,+;=[]äßÉéſ€東ÿ😀 '#&@!(){}^`~$%")
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteRune(letters[m.IntN(len(letters))])
	}
	name := b.String()
	if _, err := encodeName(name); err != nil {
		return name + "x"
	}
	return name
}

func (m *treeMaker) content() tree.Content {
	sizes := []int{0, 1, 31, sectorSize - 1, sectorSize, sectorSize + 1, 3 * blockSize, m.IntN(10_000)}
	b := make([]byte, sizes[m.IntN(len(sizes))])
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return tree.Inline(b)
}

// TestRandomTrees writes as many trees as PKBUILD_TEST_TREES says, from PKBUILD_TEST_SEED on.
func TestRandomTrees(t *testing.T) {
	trees, first := number(t, "PKBUILD_TEST_TREES", 10), number(t, "PKBUILD_TEST_SEED", 0)
	for seed := first; seed < first+trees; seed++ {
		in := randomTree(t, uint64(seed))
		image := write(t, in, testOptions)
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			fsck(t, image)
			requireSameForMtools(t, in, image)
			requireSameAfterReading(t, in, image)
		})
		require.NoError(t, os.Remove(image))
		if !ok {
			t.Fatalf("reproduce: PKBUILD_TEST_SEED=%d PKBUILD_TEST_TREES=1 go test -run TestRandomTrees ./layers/fat", seed)
		}
	}
}

func number(t *testing.T, variable string, standard int) int {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return standard
	}
	n, err := strconv.Atoi(value)
	require.NoError(t, err, variable)
	return n
}

// requireSameAfterReading requires that a tree is read again as it was written, times included.
func requireSameAfterReading(t *testing.T, want *tree.Tree, image string) {
	t.Helper()
	got, err := readImage(t, image)
	require.NoError(t, err)
	require.Equal(t, listTree(t, want), listTree(t, got))
	for name, n := range want.Walk() {
		if name != "" && !n.ModTime.IsZero() {
			require.Equal(t, n.ModTime.Truncate(2*time.Second).UTC(), got.Get(name).ModTime, name)
		}
	}
}
