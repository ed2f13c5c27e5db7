// Package devicetree reads and writes flattened device trees, merges overlays by the rules of libfdt, and sets the
// parameters of overlays as the firmware of a Raspberry Pi does.
//
// The format is version 17 of the Devicetree Specification, https://www.devicetree.org. The package knows nothing of
// bindings: values are bytes.
package devicetree
