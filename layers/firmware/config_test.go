package firmware

import (
	"cmp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func testBoard(t testing.TB, name string) Board {
	t.Helper()
	b, err := Named(name)
	require.NoError(t, err)
	return b
}

func bootPartition(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestReadConfig(t *testing.T) {
	tests := map[string]struct {
		text     string
		board    string // pi4 if empty
		state    State
		kernel   string // the property kernel, after all
		warnings []string
	}{
		"empty":                  {text: ""},
		"property":               {text: "kernel=a", kernel: "a"},
		"last value":             {text: "kernel=a\nkernel=b\n", kernel: "b"},
		"DOS line breaks":        {text: "kernel=a\r\narm_64bit=1\r\n", kernel: "a"},
		"comment":                {text: "#kernel=a\n  # kernel=b\n"},
		"value with equals sign": {text: "kernel=a=b", kernel: "a=b"},
		"empty value":            {text: "kernel=a\nkernel=", kernel: ""},
		"spaces around": {
			text: "kernel = a", warnings: []string{`config.txt:1: "kernel = a" is not property=value`},
		},
		"no property": {
			text: "\nkernel\n", warnings: []string{`config.txt:2: "kernel" is not property=value`},
		},
		"own section":                       {text: "[pi4]\nkernel=a", kernel: "a"},
		"section of another model":          {text: "[pi5]\nkernel=a"},
		"plus is another model":             {text: "[pi3+]\nkernel=a", board: "pi3"},
		"compute module":                    {text: "[cm4]\nkernel=a"},
		"model replaces model":              {text: "[pi5]\n[pi4]\nkernel=a", kernel: "a"},
		"all ends":                          {text: "[pi5]\nkernel=a\n[all]\nkernel=b", kernel: "b"},
		"kinds combine":                     {text: "[EDID=VSC-TD2220]\n[pi4]\nkernel=a"},
		"kinds combine, all ends":           {text: "[EDID=VSC-TD2220]\n[pi4]\n[all]\nkernel=a", kernel: "a"},
		"none":                              {text: "[none]\nkernel=a"},
		"none outlasts a model":             {text: "[none]\n[pi4]\nkernel=a"},
		"tryboot":                           {text: "kernel=a\n[tryboot]\nkernel=b", kernel: "a"},
		"another serial number":             {text: "[0x12345678]\nkernel=a"},
		"own serial number":                 {text: "[0x12345678]\nkernel=a", state: State{Serial: 0x12345678}, kernel: "a"},
		"tryboot flag":                      {text: "kernel=a\n[tryboot]\nkernel=b", state: State{Tryboot: true}, kernel: "b"},
		"pin that is connected":             {text: "[gpio4=0]\nkernel=a", state: State{Pins: map[int]bool{4: false}}, kernel: "a"},
		"pi3 on a 3B+":                      {text: "[pi3]\nkernel=a", board: "pi3+", kernel: "a"},
		"pi3+ on a 3B+":                     {text: "[pi3+]\nkernel=a", board: "pi3+", kernel: "a"},
		"pi3 on a Zero 2 W":                 {text: "[pi3]\nkernel=a", board: "zero2w"},
		"pi02 on a Zero 2 W":                {text: "[pi0]\n[pi0w]\n[pi02]\nkernel=a", board: "zero2w", kernel: "a"},
		"pi4 on a 400":                      {text: "[pi4]\nkernel=a", board: "pi400", kernel: "a"},
		"pi400 on a Pi 4":                   {text: "[pi400]\nkernel=a"},
		"cm4s on a CM4":                     {text: "[cm4s]\nkernel=a", board: "cm4"},
		"pi5 on a CM5":                      {text: "[pi5]\nkernel=a", board: "cm5", kernel: "a"},
		"pi5 on a CM5, bootloader of 2023":  {text: "[pi5]\nkernel=a", board: "cm5", state: State{Bootloader: date("2023-12-01")}},
		"pi5 on a Pi 5, bootloader of 2023": {text: "[pi5]\nkernel=a", board: "pi5", state: State{Bootloader: date("2023-12-01")}, kernel: "a"},
		"boot_partition":                    {text: "[boot_partition=1]\nkernel=a", kernel: "a"},
		"boot_partition of another":         {text: "[boot_partition=3]\nkernel=a"},
		"number":                            {text: "[boot_arg1=42]\nkernel=a", state: State{Args: map[string]uint64{"boot_arg1": 42}}, kernel: "a"},
		"number in hexadecimal":             {text: "[boot_arg1=0x2a]\nkernel=a", state: State{Args: map[string]uint64{"boot_arg1": 42}}, kernel: "a"},
		"another number":                    {text: "[boot_arg1=42]\nkernel=a"},
		"number below":                      {text: "[boot_count<3]\nkernel=a", state: State{Args: map[string]uint64{"boot_count": 2}}, kernel: "a"},
		"number not below":                  {text: "[boot_count<2]\nkernel=a", state: State{Args: map[string]uint64{"boot_count": 2}}},
		"number above":                      {text: "[boot_count>1]\nkernel=a", state: State{Args: map[string]uint64{"boot_count": 2}}, kernel: "a"},
		"mask":                              {text: "[bootvar0&0x2]\nkernel=a", state: State{Args: map[string]uint64{"bootvar0": 6}}, kernel: "a"},
		"mask without the bit":              {text: "[bootvar0&0x1]\nkernel=a", state: State{Args: map[string]uint64{"bootvar0": 6}}},
		"mask and value":                    {text: "[bootvar0&0x3=2]\nkernel=a", state: State{Args: map[string]uint64{"bootvar0": 6}}, kernel: "a"},
		"number, older bootloader": {
			text: "[boot_arg1=0]\nkernel=a", state: State{Bootloader: date("2024-12-01")},
			warnings: []string{`config.txt:1: unknown filter "[boot_arg1=0]" does not match`},
		},
		"board type":                           {text: "[board-type=0x11]\nkernel=a", kernel: "a"},
		"board type in decimal":                {text: "[board-type=17]\nkernel=a", kernel: "a"},
		"another board type":                   {text: "[board-type=0x14]\nkernel=a"},
		"pin pulled up, high":                  {text: "[gpio4=1]\nkernel=a", kernel: "a"},
		"pin pulled up, low":                   {text: "[gpio4=0]\nkernel=a"},
		"pin pulled down, low":                 {text: "[gpio17=0]\nkernel=a", kernel: "a"},
		"pin pulled down, high":                {text: "[gpio17=1]\nkernel=a"},
		"port of HDMI":                         {text: "[HDMI:1]\nkernel=a", kernel: "a"},
		"include":                              {text: "include more.txt", kernel: "more"},
		"property behind include":              {text: "include more.txt\nkernel=a", kernel: "a"},
		"include elsewhere":                    {text: "[pi5]\ninclude more.txt"},
		"filters last beyond an included file": {text: "include five.txt\nkernel=a"},
		"no such file":                         {text: "include none.txt", warnings: []string{"none.txt does not exist"}},
		"include an invalid path":              {text: "include ../etc", warnings: []string{"../etc does not exist"}},
		"include without a file":               {text: "include", warnings: []string{"config.txt:1: include without a file"}},
		"initramfs without a file":             {text: "initramfs ", warnings: []string{"config.txt:1: initramfs without a file"}},
		"initramfs as a property": {
			text: "initramfs=a", warnings: []string{"config.txt:1: initramfs takes no equals sign"},
		},
		"form feed": {text: "\f"},
		"unknown filter": {
			text:     "[colour]\nkernel=a",
			warnings: []string{`config.txt:1: unknown filter "[colour]" does not match`},
		},
		"98 characters": {text: "kernel=" + strings.Repeat("a", 91), kernel: strings.Repeat("a", 91)},
		"99 characters": {
			text: "kernel=" + strings.Repeat("a", 92), kernel: strings.Repeat("a", 91),
			warnings: []string{`config.txt:1: the firmware ignores the line after 98 characters: "a"`},
		},
		"long comment": {text: "#" + strings.Repeat("a", 200)},
		"filter without closing bracket": {text: "[pi4\nkernel=a", warnings: []string{
			`config.txt:1: filter "[pi4" has no closing bracket`,
			`config.txt:1: unknown filter "[pi4" does not match`,
		}},
		"include of itself": {text: "include config.txt", warnings: []string{
			`config.txt:1: config.txt: includes are nested more than 8 deep`,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := bootPartition(map[string]string{
				"config.txt": tt.text, "more.txt": "kernel=more\n", "five.txt": "[pi5]\n",
			})
			c, err := readConfig(files, "config.txt", testBoard(t, cmp.Or(tt.board, "pi4")), tt.state)
			require.NoError(t, err)
			require.Equal(t, tt.kernel, c.values["kernel"])
			require.Equal(t, tt.warnings, c.warnings)
		})
	}
}
