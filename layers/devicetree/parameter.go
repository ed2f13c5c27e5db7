package devicetree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// overridesNode declares the parameters of a tree: a property for each, which lists nodes and what to set in them.
const overridesNode = "__overrides__"

// SetParameter sets a parameter that a base tree or an overlay declares in __overrides__, to a value of config.txt: a
// number, a text, or "" to switch it on. It fails if the tree does not declare the parameter, or declares it in a way that
// this package does not know, such as a table of values; some of the properties of the parameter may then be set.
// See https://www.raspberrypi.com/documentation/computers/configuration.html#part3.2
func (t *Tree) SetParameter(name, value string) error {
	overrides := t.Root.Child(overridesNode)
	if overrides == nil {
		return fmt.Errorf("parameter %s: the tree declares no parameters (%s)", name, overridesNode)
	}
	rest, ok := overrides.Get(name)
	if !ok {
		return fmt.Errorf("parameter %s is not declared by the tree", name)
	}
	for len(rest) > 4 {
		phandle := binary.BigEndian.Uint32(rest)
		text, after, ended := bytes.Cut(rest[4:], []byte{0})
		if !ended {
			return fmt.Errorf("parameter %s: declaration has no end", name)
		}
		rest = after
		if err := t.override(phandle, string(text), value); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

func (t *Tree) override(phandle uint32, text, value string) error {
	if phandle == 0 {
		return t.switchFragments(text, value)
	}
	_, n := t.byPhandle(phandle)
	if n == nil {
		return fmt.Errorf("node %#x is not in the tree", phandle)
	}
	return n.override(text, value)
}

// cell is a declaration of a number, such as reg:4 or clock-frequency:0=100.
var cell = regexp.MustCompile(`^([^:;.#?!={]+)([:;.#])([0-9]+)(?:=(.+))?$`)

// cellSizes are the bytes of a number by the character before its offset.
var cellSizes = map[string]int{";": 1, ".": 2, ":": 4, "#": 8}

// override sets what a declaration names in the node.
func (n *Node) override(text, value string) error {
	if part := cell.FindStringSubmatch(text); part != nil {
		if part[4] != "" {
			value = part[4]
		}
		return n.setNumber(part[1], cellSizes[part[2]], part[3], value)
	}
	if property, ok := strings.CutSuffix(text, "?"); ok {
		return n.setFlag(property, value, false)
	}
	if property, ok := strings.CutSuffix(text, "!"); ok {
		return n.setFlag(property, value, true)
	}
	if strings.ContainsAny(text, ":;.#?!{") && !strings.Contains(text, ",") {
		return fmt.Errorf("declaration %q is of an unknown kind", text)
	}
	property, fixed, assigned := strings.Cut(text, "=")
	if assigned {
		value = fixed
	}
	if property == "status" {
		on, err := isOn(value)
		if err != nil {
			return err
		}
		value = map[bool]string{true: "okay", false: "disabled"}[on]
	}
	n.Set(property, append([]byte(value), 0))
	return nil
}

func (n *Node) setNumber(property string, size int, offset, value string) error {
	at, err := strconv.Atoi(offset)
	if err != nil || at > 1<<16 {
		return fmt.Errorf("offset %s of %s is too large", offset, property)
	}
	number, err := strconv.ParseInt(value, 0, 64)
	if err != nil {
		unsigned, err := strconv.ParseUint(value, 0, 64)
		if err != nil {
			on, err := isOn(value)
			if err != nil {
				return fmt.Errorf("value %q is not a number", value)
			}
			unsigned = map[bool]uint64{true: 1}[on]
		}
		number = int64(unsigned)
	}
	old, _ := n.Get(property)
	grown := slices.Clone(old)
	for len(grown) < at+size {
		grown = append(grown, 0)
	}
	for i := range size {
		grown[at+i] = byte(number >> (8 * (size - 1 - i)))
	}
	n.Set(property, grown)
	return nil
}

func (n *Node) setFlag(property, value string, inverted bool) error {
	on, err := isOn(value)
	if err != nil {
		return err
	}
	if on == inverted {
		n.Remove(property)
		return nil
	}
	n.Set(property, nil)
	return nil
}

// switchFragments switches fragments of an overlay: "+1-2" on and off, "=3!4" by the parameter's value and its opposite.
func (t *Tree) switchFragments(text, value string) error {
	on, err := isOn(value)
	if err != nil {
		return err
	}
	declaration := text
	for text != "" {
		end := 1 + len(text[1:]) - len(strings.TrimLeft(text[1:], "0123456789"))
		operator, number := text[0], text[1:end]
		text = text[end:]
		enable := operator == '+' || operator == '=' && on || operator == '!' && !on
		if !strings.ContainsRune("+-=!", rune(operator)) || number == "" {
			return fmt.Errorf("declaration of fragments %q is of an unknown kind", declaration)
		}
		fragment := t.Root.Child("fragment@" + number)
		if fragment == nil {
			return fmt.Errorf("fragment %s is not in the overlay", number)
		}
		for _, c := range fragment.Children {
			switch {
			case enable && c.Name == "__dormant__":
				c.Name = overlayNode
			case !enable && c.Name == overlayNode:
				c.Name = "__dormant__"
			}
		}
	}
	return nil
}

// isOn reads the value of a switch.
func isOn(value string) (bool, error) {
	switch value {
	case "", "1", "y", "yes", "on", "true", "okay":
		return true, nil
	case "0", "n", "no", "off", "false", "disabled":
		return false, nil
	}
	if n, err := strconv.ParseInt(value, 0, 64); err == nil {
		return n != 0, nil
	}
	return false, fmt.Errorf("value %q is neither on nor off", value)
}
