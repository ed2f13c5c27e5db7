package kexec

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/layers/devicetree"
)

const testIomem = `00000000-3b3fffff : System RAM
  00000000-00000fff : reserved
  00210000-0149ffff : Kernel code
  014a0000-01a4ffff : reserved
  2eff5000-2eff7fff : reserved
3f006000-3f006fff : 3f006000.dma-controller dma-controller@7e006000
`

func TestFreeMemory(t *testing.T) {
	free, err := freeMemory(strings.NewReader(testIomem))
	require.NoError(t, err)
	require.Equal(t, []memory{{0x1000, 0x14a0000}, {0x1a50000, 0x2eff5000}, {0x2eff8000, 0x3b400000}}, free)
	_, err = freeMemory(strings.NewReader("00000000-00000000 : System RAM\n"))
	require.ErrorContains(t, err, "no RAM is listed")
	_, err = freeMemory(strings.NewReader("x\n"))
	require.ErrorContains(t, err, `unknown line "x"`)
}

func testKernel(size, memory uint64) []byte {
	k := make([]byte, size)
	binary.LittleEndian.PutUint64(k[16:], memory)
	copy(k[56:], "ARMd")
	return k
}

func TestLayout(t *testing.T) {
	free, err := freeMemory(strings.NewReader(testIomem))
	require.NoError(t, err)
	kernel, initramfs := testKernel(40<<20, 50<<20), make([]byte, 3<<20)
	running := (&devicetree.Tree{Root: &devicetree.Node{Children: []*devicetree.Node{{Name: "chosen", Properties: []devicetree.Property{
		{Name: "bootargs", Value: []byte("old\x00")}, {Name: "kaslr-seed", Value: make([]byte, 8)},
	}}}}}).Bytes()
	var ramfs [2]uint64
	entry, segments, err := layout(free, kernel, initramfs, func(start, end uint64) ([]byte, error) {
		ramfs = [2]uint64{start, end}
		return chosenTree(running, "root=x", start, end)
	})
	require.NoError(t, err)
	require.Len(t, segments, 4)
	require.Equal(t, uint64(0x1c00000), segments[0].address, "the first hole that is large enough")
	require.Zero(t, segments[0].address%kernelAlign)
	require.Equal(t, segments[1].address, ramfs[0])
	require.Equal(t, ramfs[0]+3<<20, ramfs[1])
	require.Equal(t, entry, segments[3].address)
	for i, s := range segments {
		require.GreaterOrEqual(t, s.size, uint64(len(s.data)))
		for _, hole := range []memory{{0, 0x1000}, {0x14a0000, 0x1a50000}, {0x2eff5000, 0x2eff8000}} {
			require.False(t, s.address < hole.end && hole.start < s.address+s.size, "segment %d is in reserved memory", i)
		}
		for _, other := range segments[i+1:] {
			require.False(t, s.address < other.address+other.size && other.address < s.address+s.size)
		}
	}
	tree, err := devicetree.Parse(segments[2].data)
	require.NoError(t, err)
	chosen := tree.Root.Child("chosen")
	require.Equal(t, "root=x", chosen.Text("bootargs"))
	start, _ := chosen.Get("linux,initrd-start")
	require.Equal(t, ramfs[0], binary.BigEndian.Uint64(start))
	_, seeded := chosen.Get("kaslr-seed")
	require.False(t, seeded)
	code := segments[3].data
	require.Equal(t, segments[0].address, binary.LittleEndian.Uint64(code[32:]))
	require.Equal(t, segments[2].address, binary.LittleEndian.Uint64(code[40:]))
}

func TestLayoutErrors(t *testing.T) {
	none := func(uint64, uint64) ([]byte, error) { return []byte("tree"), nil }
	free := []memory{{0, 64 << 20}}
	for want, kernel := range map[string][]byte{
		"kernel is no uncompressed arm64 Image":                        []byte("\x1f\x8b"),
		"kernel's header has text_offset 0x0 and image_size 0x1":       testKernel(100, 1),
		"place the kernel: no 100 MiB of contiguous memory are free":   testKernel(100, 100<<20),
		"place the initramfs: no 16 MiB of contiguous memory are free": testKernel(100, 60<<20),
	} {
		_, _, err := layout(free, kernel, make([]byte, 16<<20), none)
		require.EqualError(t, err, want)
	}
	_, err := chosenTree([]byte("x"), "", 0, 0)
	require.EqualError(t, err, "read the running kernel's device tree: not a flattened device tree")
}
