package hateeprom

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/services/chips/bus"
)

func contents() *Contents {
	return &Contents{
		UUID: uuid.MustParse("c4ed2e8e-7c4f-4bb2-a6a4-7de4ad8e8f01"), ProductID: 3, ProductVersion: 12,
		Vendor: "PlanktonPlanet", Product: "PlanktoScope Hat", Custom: [][]byte{[]byte("serial 7")},
	}
}

func TestRead(t *testing.T) {
	b := &bus.I2C{Devices: map[uint16]bus.Device{Address: NewModel(Encode(contents()))}}
	got, err := Read(b)
	require.NoError(t, err)
	require.Equal(t, contents(), got)
	require.ErrorContains(t, b.Tx(Address, []byte{0, 0, 1}, nil), "write-protected")
}

func TestReadFails(t *testing.T) {
	_, err := Read(&bus.I2C{})
	require.EqualError(t, err, "read HAT EEPROM at 0x0000: no acknowledgement from I2C address 0x50")
	_, err = Read(&bus.I2C{Devices: map[uint16]bus.Device{Address: NewModel(nil)}})
	require.ErrorIs(t, err, ErrBlank)
}

// TestCheckValue is the published check value of CRC-16/ARC.
func TestCheckValue(t *testing.T) { require.EqualValues(t, 0xbb3d, crc16([]byte("123456789"))) }

func TestDamage(t *testing.T) {
	for want, damage := range map[string]func([]byte) []byte{
		`read HAT EEPROM: 5 bytes, want at least 12`:               func(d []byte) []byte { return d[:5] },
		`read HAT EEPROM: 40 bytes, want 92`:                       func(d []byte) []byte { return d[:40] },
		`read HAT EEPROM: signature is "X-Pi", want "R-Pi"`:        func(d []byte) []byte { d[0] = 'X'; return d },
		`read HAT EEPROM: version is 2, want 1`:                    func(d []byte) []byte { d[4] = 2; return d },
		`read HAT EEPROM: size is 65628, want 12 to 32768`:         func(d []byte) []byte { d[10] = 1; return d },
		`read HAT EEPROM: atom 0 has checksum 0xe099, want 0x2265`: func(d []byte) []byte { d[30] ^= 1; return d },
		`read HAT EEPROM: atom 0 has 16777270 bytes, want 2 to 72`: func(d []byte) []byte { d[19] = 1; return d },
		`read HAT EEPROM: atom 2 ends early`:                       func(d []byte) []byte { d[6] = 3; return d },
		`read HAT EEPROM: vendor is missing`:                       func(d []byte) []byte { d[6] = 0; return d },
	} {
		_, err := Parse(damage(Encode(contents())))
		require.Error(t, err, want)
		require.Equal(t, want, err.Error())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(contents()))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(c.Vendor)+len(c.Product), len(data))
	})
}
