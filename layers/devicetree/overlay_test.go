package devicetree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/needs"
)

const base = `/dts-v1/;
/memreserve/ 0x0 0x1000;
/ {
	#address-cells = <1>;
	compatible = "a,b";
	aliases { bus = "/soc/i2c@1"; };
	soc {
		gpio: gpio@0 { reg = <0 4>; };
		i2c: i2c@1 { status = "disabled"; clock-frequency = <100000>; old; };
	};
	uses { gpios = <&gpio 4 &i2c>; };
	__overrides__ {
		i2c_arm = <&i2c>, "status";
		i2c_arm_baudrate = <&i2c>, "clock-frequency:0";
		label = <&i2c>, "label";
		flag = <&i2c>, "flag?";
		no_old = <&i2c>, "old!";
		both = <&i2c>, "reg.2", <&gpio>, "reg:4=7";
		table = <&i2c>, "x{a=1}";
	};
};`

var overlays = map[string]string{
	"label and local reference": `/dts-v1/; /plugin/;
/ { fragment@0 { target = <&i2c>; __overlay__ {
	status = "okay"; #size-cells = <0>;
	rtc: rtc@68 { reg = <0x68>; wakeup = <&int 1 &gpio 2>; };
	int: interrupt { };
	int2 { same = <&rtc>; };
}; }; };`,
	"path": `/dts-v1/; /plugin/;
/ { fragment@0 { target-path = "/"; __overlay__ { compatible = "c,d"; new: new { soc = <&gpio>; }; }; };
    fragment@1 { target-path = "/soc"; __overlay__ { i2c@1 { old2; }; }; };
    fragment@2 { target = <&gpio>; __dormant__ { dormant; }; }; };`,
	"alias": `/dts-v1/; /plugin/;
/ { fragment@0 { target-path = "bus"; __overlay__ { aliased; }; }; };`,
	"two fragments of one node": `/dts-v1/; /plugin/;
/ { fragment@0 { target = <&i2c>; __overlay__ { a: a { x = <1>; }; }; };
    fragment@1 { target = <&i2c>; __overlay__ { a { y = <&a>; }; }; }; };`,
}

// run returns what a program of the device tree compiler writes.
func run(t *testing.T, stdin, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(needs.Program(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s", name, args)
	return out
}

func compile(t *testing.T, source string) []byte {
	t.Helper()
	return run(t, source, "dtc", "-q", "-@", "-I", "dts", "-O", "dtb")
}

func parsed(t *testing.T, source string) *Tree {
	t.Helper()
	tree, err := Parse(compile(t, source))
	require.NoError(t, err)
	return tree
}

// sorted returns the source of a tree in a canonical order.
func sorted(t *testing.T, dtb []byte) string {
	t.Helper()
	return string(run(t, string(dtb), "dtc", "-q", "-s", "-I", "dtb", "-O", "dts"))
}

func TestBytes(t *testing.T) {
	want := compile(t, base)
	tree, err := Parse(want)
	require.NoError(t, err)
	require.Equal(t, []Reservation{{0, 0x1000}}, tree.Reserved)
	require.Equal(t, sorted(t, want), sorted(t, tree.Bytes()))
}

// TestMergeLikeFdtoverlay: libfdt merges the same.
func TestMergeLikeFdtoverlay(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		return name
	}
	baseFile := file("base.dtb", compile(t, base))
	for name, source := range overlays {
		t.Run(name, func(t *testing.T) {
			overlay := file("overlay.dtbo", compile(t, source))
			run(t, "", "fdtoverlay", "-i", baseFile, "-o", filepath.Join(dir, "out.dtb"), overlay)
			want, err := os.ReadFile(filepath.Join(dir, "out.dtb"))
			require.NoError(t, err)
			got := parsed(t, base)
			require.NoError(t, got.Merge(parsed(t, source)))
			require.Equal(t, sorted(t, want), sorted(t, got.Bytes()))
		})
	}
}

func TestMergeErrors(t *testing.T) {
	for source, want := range map[string]string{
		`/ { fragment@0 { target = <&none>; __overlay__ { }; }; };`:         "the base tree has no label none",
		`/ { fragment@0 { target-path = "/none"; __overlay__ { a; }; }; };`: `fragment@0: target-path "/none" is not in the base tree`,
		`/ { fragment@0 { __overlay__ { a; }; }; };`:                        `fragment@0: target-path "" is not in the base tree`,
		`/ { fragment@0 { target = <0x77>; __overlay__ { a; }; }; };`:       "fragment@0: target 0x77 is not in the base tree",
	} {
		tree := parsed(t, base)
		before := tree.Bytes()
		require.EqualError(t, tree.Merge(parsed(t, "/dts-v1/; /plugin/;\n"+source)), want)
		require.Equal(t, before, tree.Bytes(), "a merge that fails changes nothing")
	}
	plain := &Tree{Root: &Node{}}
	require.EqualError(t, plain.Merge(parsed(t, overlays["alias"])), `fragment@0: target-path "bus" is not in the base tree`)
	require.EqualError(t, plain.Merge(parsed(t, overlays["path"])), "the base tree has no __symbols__")
}

func TestSetParameter(t *testing.T) {
	for _, tt := range []struct{ name, value, node, property, want string }{
		{"i2c_arm", "on", "/soc/i2c@1", "status", "okay\x00"},
		{"i2c_arm", "", "/soc/i2c@1", "status", "okay\x00"},
		{"i2c_arm", "off", "/soc/i2c@1", "status", "disabled\x00"},
		{"i2c_arm_baudrate", "400000", "/soc/i2c@1", "clock-frequency", "\x00\x06\x1a\x80"},
		{"i2c_arm_baudrate", "0x10", "/soc/i2c@1", "clock-frequency", "\x00\x00\x00\x10"},
		{"label", "sensor", "/soc/i2c@1", "label", "sensor\x00"},
		{"flag", "on", "/soc/i2c@1", "flag", ""},
		{"both", "3", "/soc/i2c@1", "reg", "\x00\x00\x00\x03"},
		{"both", "3", "/soc/gpio@0", "reg", "\x00\x00\x00\x00\x00\x00\x00\x07"},
	} {
		tree := parsed(t, base)
		require.NoError(t, tree.SetParameter(tt.name, tt.value))
		got, ok := tree.Lookup(tt.node).Get(tt.property)
		require.True(t, ok, tt.name)
		require.Equal(t, tt.want, string(got), tt.name)
	}
	tree := parsed(t, base)
	require.NoError(t, tree.SetParameter("no_old", "on"))
	_, ok := tree.Lookup("bus").Get("old")
	require.False(t, ok)
	for name, want := range map[string]string{
		"none":    "parameter none is not declared by the tree",
		"table":   `parameter table: declaration "x{a=1}" is of an unknown kind`,
		"i2c_arm": `parameter i2c_arm: value "maybe" is neither on nor off`,
	} {
		require.EqualError(t, tree.SetParameter(name, "maybe"), want)
	}
	require.EqualError(t, (&Tree{Root: &Node{}}).SetParameter("x", ""),
		"parameter x: the tree declares no parameters (__overrides__)")
}

func TestSwitchFragments(t *testing.T) {
	source := `/dts-v1/; /plugin/;
/ { fragment@0 { target = <&i2c>; __overlay__ { zero; }; };
    fragment@1 { target = <&i2c>; __dormant__ { one; }; };
    __overrides__ { swap = <0>, "-0+1"; two = <0>, "=1!0"; bad = <0>, "?1"; gone = <0>, "+9"; }; };`
	for _, tt := range []struct{ name, value, want string }{
		{"swap", "", "one"}, {"two", "on", "one"}, {"two", "off", "zero"},
	} {
		tree, overlay := parsed(t, base), parsed(t, source)
		require.NoError(t, overlay.SetParameter(tt.name, tt.value))
		require.NoError(t, tree.Merge(overlay))
		for _, name := range []string{"zero", "one"} {
			_, ok := tree.Lookup("bus").Get(name)
			require.Equal(t, name == tt.want, ok, "%s=%s: %s", tt.name, tt.value, name)
		}
	}
	overlay := parsed(t, source)
	require.EqualError(t, overlay.SetParameter("bad", ""), `parameter bad: declaration of fragments "?1" is of an unknown kind`)
	require.EqualError(t, overlay.SetParameter("gone", ""), "parameter gone: fragment 9 is not in the overlay")
}

func FuzzParse(f *testing.F) {
	tree := &Tree{Root: &Node{
		Properties: []Property{{"compatible", []byte("x\x00")}},
		Children: []*Node{
			{Name: "a", Properties: []Property{{"phandle", []byte{0, 0, 0, 1}}}},
			{Name: symbolsNode, Properties: []Property{{"a", []byte("/a\x00")}}},
			{Name: overridesNode, Properties: []Property{{"p", []byte("\x00\x00\x00\x01x:0\x00")}}},
			{Name: "fragment@0", Properties: []Property{{"target-path", []byte("/a\x00")}},
				Children: []*Node{{Name: overlayNode, Properties: []Property{{"on", nil}}}}},
			{Name: fixupsNode, Properties: []Property{{"a", []byte("/a:phandle:0\x00")}}},
		},
	}}
	f.Add(tree.Bytes())
	f.Add([]byte{0xd0, 0x0d, 0xfe, 0xed})
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(tree.Bytes())
		require.NoError(t, err)
		require.Equal(t, tree.Bytes(), again.Bytes())
		_ = tree.SetParameter("p", "1")
		_ = tree.Merge(again)
		_, err = Parse(tree.Bytes())
		require.NoError(t, err)
	})
}
