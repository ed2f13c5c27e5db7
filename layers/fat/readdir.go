package fat

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
)

// namedEntry is a directory entry with its name.
type namedEntry struct {
	dirEntry
	name string
}

// readDirectory reads the entries of a directory, without volume label, "." and "..".
func (v *volume) readDirectory(cluster uint32) ([]namedEntry, error) {
	if v.old != nil && cluster == v.rootCluster {
		return v.oldRoot()
	}
	limit := int64(maxDirectory * entrySize)
	runs, err := v.chain(cluster, roundUp(limit, v.cluster)/v.cluster)
	if err != nil {
		return nil, err
	}
	var data []byte
	for _, r := range runs {
		part := make([]byte, int64(r.clusters)*v.cluster)
		if err := v.read(part, v.offset(r.first)); err != nil {
			return nil, fmt.Errorf("read directory: %w", err)
		}
		data = append(data, part...)
	}
	return parseDirectory(data)
}

// parseDirectory returns the files of the entries of a directory.
func parseDirectory(data []byte) (out []namedEntry, err error) {
	var long longName
	for ; len(data) >= entrySize && data[0] != entryEnd; data = data[entrySize:] {
		var e namedEntry
		decode(data, &e.dirEntry)
		switch {
		case data[0] == entryDeleted:
			long = longName{}
			continue
		case e.Attributes&attrMask == attrLong:
			var part longEntry
			decode(data, &part)
			long.add(&part)
			continue
		case e.Attributes&attrVolume != 0 || data[0] == '.':
			long = longName{}
			continue
		}
		if e.name = long.take(e.Name); e.name == "" {
			e.name = e.shortName()
		}
		if strings.ContainsAny(e.name, "/\x00") || e.name == "" || e.name == "." || e.name == ".." {
			return nil, fmt.Errorf("directory entry has the invalid name %q", e.name)
		}
		out = append(out, e)
	}
	return out, nil
}

// longName gathers the parts of a long name, which come last part first.
type longName struct {
	units    []uint16
	missing  int // parts that are still to come
	checksum uint8
}

// add takes a part. One that does not follow its predecessor ends the name without one.
func (l *longName) add(e *longEntry) {
	order := int(e.Order &^ lastLong)
	if e.Order&lastLong != 0 {
		*l = longName{missing: order, checksum: e.Checksum}
	}
	if order == 0 || order != l.missing || e.Checksum != l.checksum {
		*l = longName{}
		return
	}
	part := append(append(e.Name1[:], e.Name2[:]...), e.Name3[:]...)
	l.units = append(part, l.units...)
	l.missing--
}

// take returns the name if it is complete and that of an entry with a short name, else "".
func (l *longName) take(short [11]byte) string {
	units := l.units
	if l.missing > 0 || l.checksum != checksum(short) {
		units = nil
	}
	*l = longName{}
	for i, unit := range units {
		if unit == 0 {
			units = units[:i]
			break
		}
	}
	return string(utf16.Decode(units))
}

// shortName returns the name that the entry has without a long one, as Linux shows it.
func (e *dirEntry) shortName() string {
	raw := e.Name
	if raw[0] == entryE5 {
		raw[0] = 0xe5
	}
	part := func(b []byte, lower bool) string {
		var s strings.Builder
		for _, c := range bytes.TrimRight(b, " ") {
			if c < 0x80 {
				s.WriteByte(c)
			} else {
				s.WriteRune(codePage437[c-0x80])
			}
		}
		if lower {
			return strings.ToLower(s.String())
		}
		return s.String()
	}
	base, extension := part(raw[:8], e.Case&caseBase != 0), part(raw[8:], e.Case&caseExtension != 0)
	return strings.TrimSuffix(base+"."+extension, ".")
}

// codePage437 is the upper half of the code page of short names.
var codePage437 = [128]rune([]rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌" +
	"█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"))
