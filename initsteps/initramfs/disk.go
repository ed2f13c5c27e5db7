package initramfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/PlanktoScope/pkbuild/initsteps"
)

const sector = 512

// PartUUID returns the value of root=PARTUUID=… for a partition, from the MBR or GPT at the start of its disk. It returns
// "" if the disk has neither or the GPT has no entry of that number; of an MBR it does not check the entry.
func PartUUID(disk io.ReaderAt, partition int) string {
	mbr := make([]byte, sector)
	if _, err := disk.ReadAt(mbr, 0); err != nil || mbr[510] != 0x55 || mbr[511] != 0xaa {
		return ""
	}
	if protective := mbr[446+4] == 0xee; protective {
		return gptPartUUID(disk, partition)
	}
	return fmt.Sprintf("%08x-%02x", binary.LittleEndian.Uint32(mbr[440:]), partition)
}

// previousPartUUID is PartUUID with the identity that the disk had before, while that is being changed; "" at other times.
func previousPartUUID(disk io.ReaderAt, partition int) string {
	mbr := make([]byte, sector)
	if _, err := disk.ReadAt(mbr, 0); err != nil {
		return ""
	}
	id, ok := initsteps.PreviousID(mbr)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%08x-%02x", id, partition)
}

// gptPartUUID: the header in sector 1 says where the entries are and how long each is.
func gptPartUUID(disk io.ReaderAt, partition int) string {
	header := make([]byte, 92)
	if _, err := disk.ReadAt(header, sector); err != nil || !bytes.HasPrefix(header, []byte("EFI PART")) {
		return ""
	}
	start := binary.LittleEndian.Uint64(header[72:]) // sector of the first entry
	count := binary.LittleEndian.Uint32(header[80:])
	size := binary.LittleEndian.Uint32(header[84:]) // bytes of an entry
	if partition < 1 || partition > int(count) || size < 128 || start > 1<<40 {
		return ""
	}
	entry := make([]byte, 32)
	if _, err := disk.ReadAt(entry, int64(start)*sector+int64(partition-1)*int64(size)); err != nil {
		return ""
	}
	return guid(entry[16:])
}

func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

// Ext4 reads UUID and label from the superblock of an ext2, ext3 or ext4 file system. Both are "" if the device has
// none.
func Ext4(device io.ReaderAt) (uuid, label string) {
	super := make([]byte, 1024)
	if _, err := device.ReadAt(super, 1024); err != nil || binary.LittleEndian.Uint16(super[56:]) != 0xef53 {
		return "", ""
	}
	u := super[104:120]
	uuid = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	name, _, _ := bytes.Cut(super[120:136], []byte{0})
	return uuid, strings.ToValidUTF8(string(name), "?")
}
